# Logistic regression over the brightness of one PGM frame. First file: weights; second: the frame.
# Prints: time, frame, probability, verdict.
# BusyBox's awk as Debian builds it has neither exp() nor sqrt().
function exponential(x,    term, sum, i) {
    if (x < 0) return 1 / exponential(-x)
    if (x > 1) { sum = exponential(x / 2); return sum * sum }
    for (term = sum = i = 1; i < 12; i++) { term *= x / i; sum += term }
    return sum
}
function root(x,    guess, i) {    # Newton's
    for (guess = 1; i < 30; i++) guess = (guess + x / guess) / 2
    return guess
}

FNR == NR { if ($1 !~ /^#/ && NF == 2) weight[$1] = $2; next }
/^# frame/ { frame = $3 }    # its number only; what else the comment says is for the tests
/^#/ { next }
{ for (i = 1; i <= NF; i++) if ($i != "P2") { if (header < 3) size[++header] = $i; else level[++count] = $i / 255 } }
END {
    if (count == 0 || count != size[1] * size[2]) { print "not a whole frame: " count " levels" > "/dev/stderr"; exit 1 }
    for (i = 1; i <= count; i++) {
        sum += level[i]; squares += level[i] * level[i]
        if (level[i] > 0.8) hot++
        if (level[i] > 0.5) part++
        if (level[i] > peak) peak = level[i]
    }
    feature["bias"] = 1
    feature["mean"] = sum / count
    feature["contrast"] = root(squares / count - feature["mean"] * feature["mean"])
    feature["peak"] = peak
    feature["hot"] = part ? hot / part : 0    # share of the part that is too bright
    for (name in weight) {
        if (!(name in feature)) { print "unknown feature in the weights: " name > "/dev/stderr"; exit 1 }
        z += weight[name] * feature[name]
    }
    if (z > 50) z = 50
    if (z < -50) z = -50
    p = 1 / (1 + exponential(-z))
    printf "%d %d %.4f %d\n", now, frame, p, (p >= threshold)
}
