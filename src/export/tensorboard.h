/*
 * The learning curves of a run as event files that TensorBoard reads.
 *
 * A file is a sequence of records: 8 bytes of length, a checksum of these (CRC-32C,
 * masked), the bytes of an Event (event.proto), a checksum of those; all little-endian.
 * Format: https://www.tensorflow.org/tutorials/load_data/tfrecord. Training and
 * validation are two folders, "runs" to TensorBoard, so that both stand in one chart.
 *
 * metrics.csv knows no clock: an event's time is its epoch, in seconds. The same curves
 * give the same bytes. Not collective.
 */
#ifndef EXPORT_TENSORBOARD_H
#define EXPORT_TENSORBOARD_H

#include "base/status.h"

/* Writes FOLDER/training and FOLDER/validation from RUN/metrics.csv. Errors:
 * STATUS_JOB_FAILED when the run has no metrics.csv, or a damaged one; STATUS_STAGE_IO,
 * STATUS_STAGE_MEMORY. */
enum status tensorboard_write(const char *run, const char *folder, struct error *err);

#endif
