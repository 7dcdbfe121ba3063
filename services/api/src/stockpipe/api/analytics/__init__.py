"""Indicators and risk figures: pure functions of arrays, each with the source of its formula."""
