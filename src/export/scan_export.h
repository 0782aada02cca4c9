/*
 * What a run found in its scans, for other tools: points for 3D Slicer, label volumes as
 * NIfTI or MetaImage. One file a scan, named after it; places are millimetres in LPS, as
 * everywhere here.
 *
 * Memory: one slab of a scan. Not collective.
 */
#ifndef EXPORT_SCAN_EXPORT_H
#define EXPORT_SCAN_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct scan_export {
    const char *run;    /* the run directory */
    const char *folder; /* where files go; made when it is not there */
    const char *scan;   /* that scan alone; NULL: all */
    double threshold;   /* candidates with this probability or more; NaN: the run's
                           classify.threshold */
    bool markups, nifti, metaimage;
};

/* Writes what is asked for: SERIESUID.mrk.json (Slicer's markups, a point a candidate,
 * the most probable first), SERIESUID-findings.nii.gz and .mhd (balls of the candidates'
 * diameters; the value is the candidate's place in that order, from 1) and, where the run
 * stored a mask, SERIESUID-mask (1: what the segmenter marked). *files: how many. Scans
 * without a result have no file. Errors: STATUS_JOB_FAILED (no finished run, no such
 * scan), STATUS_STAGE_IO, STATUS_STAGE_MEMORY; what reading gave. */
enum status scan_export_write(const struct scan_export *e, int64_t *files,
                              struct error *err);

#endif
