# One frame as plain PGM: a bright part passes under the camera; sometimes a hot spot, the defect, is on it.
function noise() { return rand() * 30 }
# A triangle wave: BusyBox's awk as Debian builds it has no sin().
function swing(step, far,    at) { at = step % (4 * far); return at < 2 * far ? at - far : 3 * far - at }
function near(x, y, cx, cy, radius) { return (x - cx) * (x - cx) + (y - cy) * (y - cy) <= radius * radius }

BEGIN {
    srand(seed)
    width = 32; height = 24
    x0 = 6 + frame * 3 % (width - 12); y0 = height / 2 + swing(frame, 4)    # the part moves along the line
    defect = rand() < rate
    dx = x0 + (rand() - 0.5) * 5; dy = y0 + (rand() - 0.5) * 5; size = 0.9 + rand()
    print "P2\n# frame " frame " defect " defect "\n" width " " height "\n255"
    for (y = 0; y < height; y++) {
        line = ""
        for (x = 0; x < width; x++) {
            level = 30 + noise()
            if (near(x, y, x0, y0, 5)) level = 140 + noise() * 1.5
            if (defect && near(x, y, dx, dy, size)) level = 215 + noise()
            line = line int(level) " "
        }
        print line
    }
}
