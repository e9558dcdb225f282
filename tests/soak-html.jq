# SPDX-License-Identifier: GPL-2.0-only
# The report of a soak as a page that needs nothing else.
def row(cells): "<tr>" + (cells | map("<td>" + (tostring | @html) + "</td>") | add) + "</tr>";
def table(heads; rows): "<table><tr>" + (heads | map("<th>" + @html + "</th>") | add) + "</tr>"
	+ (rows | add // "") + "</table>";
"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>writethrough: soak</title><style>
body { font: 15px/1.5 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } th, td { text-align: left; padding: .2em 1em .2em 0; border-bottom: 1px solid #ddd; vertical-align: top }
pre { background: #f4f4f4; padding: .7em; overflow-x: auto; font-size: 13px } .bad { color: #b00 } .ok { color: #060 }
</style></head><body><h1>Soak of writethrough</h1>
<p>\(.minutes) of \(.budget_minutes) minutes, \(.legs | length) legs, \(.tests) tests:
<strong class=\"\(if (.failed | length) == 0 then "ok" else "bad" end)\">\(.failed | length) failed</strong>.</p>
<h2>Explored</h2>" + table(["what", "how many"]; .counts | to_entries | map(. as $c | row([$c.key, $c.value]))),
(if (.failed | length) > 0 then "<h2>Failures</h2>" + (.failed | map("<h3 class=\"bad\">" + (.name | @html) + "</h3><p>"
	+ (.reason // "" | @html) + "; seed \(.seed)</p><pre>" + (.again | @html) + "</pre><pre>"
	+ (.output | @html) + "</pre>") | add) else empty end),
(if .coverage then "<h2>Coverage of the kernel's lines</h2>" + table(["file", "lines", "covered", "branches", "taken"];
	.coverage | map(. as $f | row([$f.file, $f.lines, $f.covered, $f.branches, $f.taken]))) else empty end),
"<h2>Slowest tests</h2>" + table(["test", "kernel", "seconds"]; .slowest | map(. as $t | row([$t.name, $t.kernel, $t.seconds]))),
"<h2>Legs</h2>" + table(["leg", "seconds", "seed", "result", "command"];
	.legs | map(. as $l | row([$l.name, $l.seconds, $l.seed, (if $l.ok then "ok" else "FAILED" end), $l.again]))),
"</body></html>"
