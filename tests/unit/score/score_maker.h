/* Scans, findings and marks on a line, for tests of the score: a place is (x, 0, 0). */
#ifndef SCORE_MAKER_H
#define SCORE_MAKER_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "score/match.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define MARK(x, p)                                                                       \
    {                                                                                    \
        .xyz = {x, 0, 0}, .probability = p                                               \
    }
#define FINDING(x, diameter)                                                             \
    {                                                                                    \
        .xyz = {x, 0, 0}, .diameter_mm = diameter, .malignant = -1                       \
    }

#define LAY(field, array) .field##s = array, .field##_count = COUNT(array)
#define INCLUDED(array) .included = array, .included_count = COUNT(array)
#define EXCLUDED(array) .excluded = array, .excluded_count = COUNT(array)

#endif
