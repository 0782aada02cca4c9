/* What a run's store and directory, and a job file, hold. */
#include <math.h>

#include "base/file.h"
#include "cli/info.h"
#include "config/settings.h"
#include "inspect/run_status.h"
#include "io/run_links.h"
#include "io/run_reader.h"
#include "run/list_defaults.h"

/* What the scans of a store add up to. */
struct totals {
    int64_t done, quarantined, without_candidates, mask_bytes;
};

static enum status add_up(struct run_reader *r, struct totals *t, struct error *err)
{
    *t = (struct totals){0};
    for (int64_t i = 0; i < run_reader_scan_count(r); i++) {
        struct run_store_scan scan;
        enum status status = run_reader_scan(r, i, &scan, err);
        if (status != STATUS_OK)
            return status;
        bool done = !strcmp(scan.status, "done");
        t->done += done;
        t->quarantined += !done;
        t->without_candidates += done && scan.candidate_count == 0;
        t->mask_bytes += scan.mask_bytes;
    }
    return STATUS_OK;
}

/* Texts of provenance; one that is not there is passed over. */
static void print_provenance(struct run_reader *r)
{
    static const struct {
        const char *title, *name;
    } texts[] = {
        {"version", "/provenance/version"}, {"started", "/provenance/started"},
        {"kernels", "/provenance/isa"},     {"MPI-IO", "/provenance/mpi_io"},
        {"HDF5", "/provenance/hdf5"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *text;
        struct error ignored;
        if (run_reader_text(r, texts[i].name, &text, &ignored) != STATUS_OK)
            continue;
        printf("%-12s %s\n", texts[i].title, text);
        free(text);
    }
}

enum status info_store(const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    struct run_reader *r;
    struct totals t;
    status = run_reader_open(path, &r, err);
    if (status != STATUS_OK)
        return status;
    TRY(add_up(r, &t, err));
    printf("store        %s\n", path);
    printf("scans        %lld: %lld done, %lld quarantined\n",
           (long long)run_reader_scan_count(r), (long long)t.done,
           (long long)t.quarantined);
    printf("candidates   %lld; %lld scans without\n",
           (long long)run_reader_candidate_count(r), (long long)t.without_candidates);
    printf("masks        %lld bytes\n", (long long)t.mask_bytes);
    print_provenance(r);
out:
    run_reader_close(r);
    return status;
}

enum status info_nights(const char *path, struct error *err)
{
    struct run_links links;
    const enum status status = run_links_init(&links, path, err);
    if (status == STATUS_OK) {
        printf("nights       %s\nruns         %zu\n", path, links.count);
        for (size_t i = 0; i < links.count; i++)
            printf("%-12s %s%s\n", "", links.names[i],
                   i + 1 == links.count ? ", the latest" : "");
    }
    run_links_release(&links);
    return status;
}

enum status info_run(const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    struct run_status run;
    char *store = NULL;
    TRY(run_status_init(&run, folder, err));
    run_status_print(&run, folder, (double)time(NULL), stdout);
    TRY(path_join(folder, "run.h5", &store, err));
    if (file_exists(store)) {
        printf("\n");
        TRY(info_store(store, err));
    }
out:
    free(store);
    run_status_release(&run);
    return status;
}

enum status info_job(const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    struct settings settings = {0};
    struct settings_sources sources = {.job = path};
    char *text = NULL;
    size_t bytes;
    TRY(settings_init(&settings, &sources, err));
    TRY(list_defaults(&settings, err));
    TRY(settings_print(&settings, &text, &bytes, err));
    printf("# %s, with defaults; without conf/pulmo.cfg\n%s", path, text);
out:
    free(text);
    settings_release(&settings);
    return status;
}
