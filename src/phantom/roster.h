/*
 * Which scans a data set of phantoms has: their names, patients and subsets, as functions
 * of (seed, index).
 */
#ifndef PHANTOM_ROSTER_H
#define PHANTOM_ROSTER_H

#include <stdint.h>

enum { ROSTER_NAME_BYTES = 48, ROSTER_SUBSETS = 10 };

struct roster_scan {
    uint64_t index;
    uint64_t patient; /* index of the patient: that of its first scan */
    int subset;
    char seriesuid[ROSTER_NAME_BYTES];    /* an OID below 2.25 (ITU-T X.667) */
    char patient_name[ROSTER_NAME_BYTES]; /* "PHANTOM-..." */
};

/* Scan `index` of the data set with this seed. A few patients come a second time: then
 * `patient` is below `index`. */
struct roster_scan roster_scan(uint64_t seed, uint64_t index);

#endif
