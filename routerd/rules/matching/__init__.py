"""How text is compared: literals, words, stems, regexes, each found in one pass."""
