#include "score/proportion.h"

#include <math.h>

#include "base/status.h"

struct proportion proportion_of(int64_t count, int64_t of)
{
    struct proportion p = {count, of, NAN, NAN, NAN};
    CHECK(count >= 0 && count <= of);
    if (of == 0)
        return p;
    double n = (double)of, z2 = NORMAL_95 * NORMAL_95;
    p.share = (double)count / n;
    double centre = (p.share + z2 / (2 * n)) / (1 + z2 / n);
    double half =
        NORMAL_95 * sqrt(p.share * (1 - p.share) / n + z2 / (4 * n * n)) / (1 + z2 / n);
    p.lower = count == 0 ? 0 : centre - half;
    p.upper = count == of ? 1 : centre + half;
    return p;
}
