# The collector's metrics in, the board as one page of HTML out.
function html(text) {
    gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/"/, "\\&quot;", text)
    return text
}

# plant_last{source="press-3",metric="defect"} 1
split($1, part, "\"") == 5 {
    name = $1; sub(/\{.*/, "", name); sub(/^plant_/, "", name)
    value[part[2], part[4], name] = $2
    if (part[4] == "defect" && !(part[2] in known)) { known[part[2]] = 1; sources[++many] = part[2] }
}

END {
    print "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=" refresh + 0 ">"
    print "<title>" html(title) "</title><style>"
    print "body{background:#101418;color:#e8eef2;font:24px system-ui,sans-serif;margin:2em}"
    print "h1{font-weight:600}small{color:#8fa3b0}section{border-radius:12px;padding:1em;margin:1em 0;background:#1f7a4d}"
    print "section.defect{background:#b3261e}section.old{background:#4a5560}</style>"
    print "<h1>" html(title) " <small>line " html(line) "</small></h1>"
    for (i = 1; i <= many; i++) {
        s = sources[i]
        age = now - value[s, "defect", "time_seconds"]
        state = age > 15 ? "old" : (value[s, "defect", "last"] > 0 ? "defect" : "good")
        print "<section class=" state "><b>" html(s) "</b>: " (state == "old" ? "silent for " age " s" : state) "<br>"
        printf "<small>%d parts seen, %.1f %% with a defect; last probability %.2f</small></section>\n", \
            value[s, "defect", "count"], 100 * value[s, "defect", "mean"], value[s, "defect_probability", "last"]
    }
    if (!many) print "<section class=old>no data from the collector</section>"
    if (("host", "load1", "last") in value) print "<p><small>load of the device: " value["host", "load1", "last"] "</small>"
}
