"""The report maker: executed notebooks become one self-contained HTML file and one tagged PDF.

    notebooks -> parse (pandoc's syntax tree) -> number and resolve -> HTML | Typst -> PDF

Numbers and references are worked out once, on the parsed document; both outputs print them as they
are. Everything runs offline, and the same notebooks give the same bytes. README.md beside this file
says what a notebook's author keeps to. `exporters` makes reports, `live` the figures that move.
"""

FORMATS = ("html", "pdf")  # of the documents, report.html and report.pdf
