"""Technical indicators of daily prices. Arrays run oldest first; where a period isn't full yet there is NaN."""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats = npt.NDArray[np.float64]


def simple_mean(values: Floats, period: int) -> Floats:
    """Return the mean of the last `period` values."""
    if len(values) < period:
        return np.full(len(values), np.nan)
    return _padded(sliding_window_view(values, period).mean(axis=1), len(values))


def sample_deviation(values: Floats, period: int) -> Floats:
    """Return the sample standard deviation of the last `period` values."""
    if len(values) < period:
        return np.full(len(values), np.nan)
    return _padded(sliding_window_view(values, period).std(axis=1, ddof=1), len(values))


def smoothed(values: Floats, alpha: float, period: int, start: int) -> Floats:
    """Return the exponential mean: `alpha` of each value, the rest of the mean before.

    It begins at index `start` with the plain mean of the last `period` values there.
    """
    result = np.full(len(values), np.nan)
    if len(values) > start:
        mean = float(values[start - period + 1 : start + 1].mean())
        result[start] = mean
        for index in range(start + 1, len(values)):
            mean += alpha * (float(values[index]) - mean)
            result[index] = mean
    return result


def relative_strength(close: Floats, period: int = 14) -> Floats:
    """Return the RSI, 0 to 100; 50 where nothing moved.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978), section VI: 100 - 100 / (1 + RS), RS the mean
    gain over the mean loss, both smoothed with 1/period after a first plain mean.
    """
    change = np.diff(close)
    gain = smoothed(np.maximum(change, 0.0), 1 / period, period, period - 1)
    loss = smoothed(np.maximum(-change, 0.0), 1 / period, period, period - 1)
    total = gain + loss
    ratio = np.divide(gain, total, out=np.full(len(total), 0.5), where=total != 0)
    return _padded(np.where(np.isnan(total), np.nan, 100 * ratio), len(close))


def convergence_divergence(
    close: Floats, fast: int = 12, slow: int = 26, signal: int = 9
) -> tuple[Floats, Floats, Floats]:
    """Return MACD, its signal line and the histogram, in units of the price.

    Gerald Appel, The Moving Average Convergence-Divergence Trading Method (1979): the fast exponential mean minus the
    slow one, alpha 2/(period + 1); both begin with a plain mean when the slow one is full. The signal line is the
    exponential mean of MACD, the histogram (Thomas Aspray, 1986) their difference.
    """
    means = [smoothed(close, 2 / (period + 1), period, slow - 1) for period in (fast, slow)]
    macd = means[0] - means[1]
    line = smoothed(macd, 2 / (signal + 1), signal, slow + signal - 2)
    return macd, line, macd - line


def bollinger_bands(close: Floats, period: int = 20, width: float = 2.0) -> tuple[Floats, Floats, Floats]:
    """Return the middle, upper and lower band.

    John Bollinger, Bollinger on Bollinger Bands (2001), chapter 7: the simple mean, and `width` population standard
    deviations above and below.
    """
    middle = simple_mean(close, period)
    if len(close) < period:
        return middle, middle, middle
    deviation = _padded(sliding_window_view(close, period).std(axis=1), len(close))
    return middle, middle + width * deviation, middle - width * deviation


def average_true_range(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Return the ATR, in units of the price.

    Wilder (1978), section III: the largest of high - low, |high - close before| and |low - close before|, smoothed with
    1/period after a first plain mean.
    """
    before = close[:-1]
    ranges = np.maximum(high[1:], before) - np.minimum(low[1:], before)
    return _padded(smoothed(ranges, 1 / period, period, period - 1), len(close))


def volume_weighted_price(high: Floats, low: Floats, close: Floats, volume: Floats, period: int = 20) -> Floats:
    """Return the volume-weighted mean of the typical price, (high + low + close) / 3, of the last `period` sessions.

    Berkowitz, Logue and Noser, The Total Cost of Transactions on the NYSE, Journal of Finance 43 (1988), with the
    typical price in place of each trade's. NaN without volume.
    """
    typical = (high + low + close) / 3
    weight = simple_mean(volume, period)
    result: Floats = np.divide(
        simple_mean(typical * volume, period), weight, out=np.full(len(close), np.nan), where=~(weight == 0)
    )
    return result


def _padded(values: Floats, length: int) -> Floats:
    """Put NaN before the values so that they are `length`."""
    return np.concatenate([np.full(length - len(values), np.nan), values])
