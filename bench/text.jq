# SPDX-License-Identifier: GPL-2.0-only

def fixed(n): if . == null then "-" else
	(. * pow(10; n) | round) as $v | ($v | fabs | tostring) as $d |
	(if n == 0 then $d else
		((n + 1 - ($d | length)) as $pad | if $pad > 0 then "0" * $pad else "" end) as $z |
		($z + $d) as $s | $s[:-n] + "." + $s[-n:] end) |
	if $v < 0 then "-" + . else . end end;
def grouped: fixed(0) | [while(length > 0; .[:-3]) | .[-3:]] | reverse | join(",");
