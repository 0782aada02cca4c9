/*
 * NIfTI volumes in one file: .nii, or .nii.gz. NIfTI-1 in both byte orders, NIfTI-2 in
 * this machine's. Affines are turned from RAS into LPS; sform goes before qform.
 *
 * Format: nifti1.h, nifti2.h.
 */
#ifndef CT_NIFTI_H
#define CT_NIFTI_H

#include "ct/volume_source.h"

/* As metaimage_open. */
enum status nifti_open(const char *path, struct volume_source *out, struct error *err);

#endif
