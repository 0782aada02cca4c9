/* Rates from what a run that is done has noted: timings.csv, and its scans in run.h5. */
#include "base/file.h"
#include "io/csv.h"
#include "run/rates.h"
#include "run/stored_run.h"

struct noted {
    double input, segment, group, classify;
};

static enum status take_row(void *context, const struct csv_row *row, struct error *err)
{
    struct noted *n = context;
    double seconds;
    const struct {
        const char *stage;
        double *sum;
    } all[] = {{"input", &n->input},
               {"segment", &n->segment},
               {"group", &n->group},
               {"classify", &n->classify}};
    const enum status status = csv_number(row, 1, "seconds", &seconds, err);
    for (size_t i = 0; status == STATUS_OK && i < sizeof all / sizeof *all; i++)
        if (!strcmp(row->fields[0], all[i].stage))
            *all[i].sum += seconds;
    return status;
}

enum status rates_take_run(struct rates *r, const char *folder, struct error *err)
{
    static const struct csv_column columns[] = {{"stage", false}, {"seconds", false}};
    enum status status;
    struct stored_run run = {.folder = NULL};
    struct noted n = {0};
    char *path = NULL;
    double voxels = 0, candidates = 0;
    TRY(stored_run_open(&run, folder, err));
    TRY(path_join(folder, "timings.csv", &path, err));
    TRY(csv_read(path, columns, 2, take_row, &n, err));
    for (size_t i = 0; i < run.scan_count; i++) {
        struct run_store_scan scan;
        if (!run.scans[i].done)
            continue;
        TRY(run_reader_scan(run.store, run.scans[i].row, &scan, err));
        voxels += (double)scan.size[0] * (double)scan.size[1] * (double)scan.size[2];
        candidates += (double)run.scans[i].candidate_count;
    }
    if (voxels == 0 || n.input == 0) {
        status = error_set(err, STATUS_JOB_CONFIG,
                           "%s: its timings.csv and scans give no rates", folder);
        goto out;
    }
    const double threads =
        run.settings.compute.threads > 0 ? (double)run.settings.compute.threads : 1;
    const bool searches = r->search_voxel > 0;
    r->open_byte = 0; /* within the input */
    r->load_voxel = n.input / voxels;
    r->segment_voxel = searches ? 0 : n.segment * threads / voxels;
    r->search_voxel = searches ? n.segment * threads / voxels : 0;
    r->group_voxel = n.group / voxels;
    r->candidates_voxel = candidates / voxels;
    if (candidates > 0 && r->classify_candidate > 0)
        r->classify_candidate = n.classify * threads / candidates;
    r->scans = (int64_t)run.scan_count;
out:
    free(path);
    stored_run_release(&run);
    return status;
}
