"""`python -m observability`: write everything that is generated."""

from observability.generated import ROOT, generated

if __name__ == "__main__":
    for path, text in generated().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
