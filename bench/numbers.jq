# SPDX-License-Identifier: GPL-2.0-only

def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def spread: {min: min, median: median, max: max};
# with so many digits
def to(n): if . == null then . else . * pow(10; n) | round / pow(10; n) end;
