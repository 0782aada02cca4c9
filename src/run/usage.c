#include "run/usage.h"

#include "base/log.h"
#include "base/memory.h"
#include "io/csv.h"
#include "run/efficiency.h"

static void write_row(struct csv_writer *w, int rank, const struct usage *u,
                      const char *stage, double seconds)
{
    csv_write_integer(w, rank);
    csv_write_text(w, u->host);
    csv_write_text(w, stage);
    csv_write_number(w, "%.3f", seconds);
    csv_write_end(w);
}

static enum status write_timings(const struct run_folder *folder, const struct usage *all,
                                 int ranks, struct error *err)
{
    struct csv_writer w = {0};
    char *path;
    enum status status = run_folder_file(folder, "timings.csv", &path, err);
    if (status != STATUS_OK)
        return status;
    status = csv_writer_open(&w, path, "rank,host,stage,seconds", err);
    free(path);
    if (status != STATUS_OK)
        return status;
    for (int r = 0; r < ranks; r++) {
        for (int t = 0; t < TIMING_COUNT; t++)
            write_row(&w, r, &all[r], timing_name((enum timing)t), all[r].timings[t]);
        write_row(&w, r, &all[r], "wait", usage_wait(&all[r]));
    }
    return csv_writer_commit(&w, err);
}

static void report_memory(const struct usage *all, int ranks)
{
    int most = 0;
    for (int r = 1; r < ranks; r++)
        if (all[r].peak_mb > all[most].peak_mb)
            most = r;
    log_info("peak memory: %.0f MB on rank %d, the most of %d; %.0f MB on rank 0",
             all[most].peak_mb, most, ranks, all[0].peak_mb);
}

enum status usage_report(const struct comm *c, const struct run_folder *folder,
                         const double *timings, int threads, double wall,
                         struct error *err)
{
    struct usage mine = {.threads = threads,
                         .wall = wall,
                         .peak_mb = (double)memory_peak_bytes() * 1e-6},
                 *all = NULL;
    enum status status = STATUS_OK;
    memcpy(mine.timings, timings, sizeof mine.timings);
    memcpy(mine.host, c->host, sizeof mine.host);
    if (c->rank == 0)
        status = memory_new((size_t)c->size, sizeof *all, "usage", (void **)&all, err);
    TRY(comm_agree(c, status, err));
    comm_gather(c, &mine, sizeof mine, all);
    if (c->rank == 0) {
        report_memory(all, c->size);
        status = write_timings(folder, all, c->size, err);
        if (status == STATUS_OK)
            status = efficiency_report(all + comm_first_worker(c), comm_worker_count(c),
                                       folder, err);
    }
out:
    free(all);
    return status;
}
