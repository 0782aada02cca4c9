/*
 * What a task leaves: the payloads of messages from workers, which are the payloads of
 * the journal. Fixed-width fields in the machine's order (the journal's head refuses
 * another machine's).
 */
#ifndef RUN_RECORD_H
#define RUN_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "ct/geometry.h"
#include "stage/candidate.h"
#include "stage/diagnose.h"

enum record_kind {
    RECORD_RUN = 1,  /* text: what the run's results depend on */
    RECORD_OPEN,     /* struct scan_head */
    RECORD_SEGMENT,  /* slabs of mask, each: uint32 bytes, zlib stream of packed bits */
    RECORD_GROUP,    /* struct candidate [] */
    RECORD_CLASSIFY, /* struct judgement [], of ensembles struct ensemble_judgement [] */
    RECORD_SCAN,     /* struct scan_result_head, candidates (sorted), mask, of ensembles
                        struct disagreement []: all of a finished scan */
};

enum {
    SLAB_SLICES = 4, /* the format of masks is made of these */
    BLOCK_SLICES =
        64, /* a task of segmentation in 3D: whole slabs. In 2D it is one slab */
    BATCH_CANDIDATES = 32 /* a task of classification */
};

/* What opening a scan tells. */
struct scan_head {
    struct hash128 identity, content;
    struct geometry geometry;
    int64_t file_bytes;
    int32_t seen; /* whether the models have seen the scan: 1, 0, -1 unknown */
    int32_t
        unchanged; /* identity is the one that the order named: content was not read */
};

struct judgement {
    float probability, malignancy;
};

/* Where a stage has several models. */
struct ensemble_judgement {
    struct judgement judgement;
    struct disagreement disagreement;
};

struct scan_result_head {
    struct scan_head scan;
    struct diagnosis diagnosis;
    int64_t candidate_count, mask_bytes;
};

/* A RECORD_SCAN payload taken apart; pointers lead into it. */
struct scan_result {
    struct scan_result_head head;
    const struct candidate *candidates;
    const uint8_t *mask;
    const struct disagreement *disagreements; /* NULL: one model a stage; may be
                                                 unaligned: disagreement_of */
};

/* That of candidate i; NaN where there is none. */
struct disagreement disagreement_of(const struct scan_result *r, int64_t i);

/* Tasks of segmentation of so many slices that a scan has. */
static inline int64_t record_runs(const struct geometry *g, int64_t slices)
{
    return (g->size[0] + slices - 1) / slices;
}

static inline int64_t record_batches(int64_t candidates)
{
    return (candidates + BATCH_CANDIDATES - 1) / BATCH_CANDIDATES;
}

/* *out = the payload of a finished scan, to be freed. */
enum status scan_result_pack(const struct scan_result *r, void **out, size_t *bytes,
                             struct error *err);

/* Takes a payload apart; the checksum was held, so a size that does not fit is a CHECK.
 */
void scan_result_unpack(const void *payload, size_t bytes, struct scan_result *out);

/* One slab of mask (0 or 1 a voxel) as it stands in a RECORD_SEGMENT payload, to be
 * freed, and back. */
enum status mask_pack(const uint8_t *mask, size_t voxels, void **out, size_t *bytes,
                      struct error *err);
/* Reads the slab at *position of concatenated payloads and moves *position behind it.
 * Errors: STATUS_JOB_FAILED when the bytes are damaged. */
enum status mask_unpack(const uint8_t *bytes, size_t length, size_t *position,
                        uint8_t *mask, size_t voxels, struct error *err);
/* Moves *position behind the slab that begins there. Errors: as above. */
enum status mask_skip(const uint8_t *bytes, size_t length, size_t *position,
                      struct error *err);

#endif
