/*
 * Weights as safetensors, and back: 8 bytes with the length of a JSON header
 * (little-endian), the header with type, shape and place of each tensor, then the values.
 * Format: https://huggingface.co/docs/safetensors (the description of the header).
 *
 * What else a model file says (network, fold, scans it has seen) goes into the header's
 * `__metadata__` and comes back from there. A file without it is one of unknown origin.
 */
#ifndef EXPORT_SAFETENSORS_H
#define EXPORT_SAFETENSORS_H

#include "io/tensor_file.h"

/* Writes all tensors as F32, sorted by name; the same bytes for the same content. Errors:
 * STATUS_STAGE_IO, STATUS_STAGE_MEMORY. */
enum status safetensors_write(const char *path, const struct tensor_file *f,
                              struct error *err);

/* Reads F32, F64 and I64 (which become float). tensor_file_release frees, also after a
 * failure. Errors: STATUS_JOB_CONFIG naming file and tensor: a header that is no such
 * JSON, tensors that overlap or lie outside, other types, values that are not finite. */
enum status safetensors_read(const char *path, struct tensor_file *out,
                             struct error *err);

#endif
