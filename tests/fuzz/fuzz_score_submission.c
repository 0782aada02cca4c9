/* Any bytes as a submission: read or refused with a message, nothing else. What was read
 * can be scored, and the score keeps its promises: counts add up, the curve rises. */
#include <sys/mman.h>
#include <unistd.h>

#include "score/froc.h"
#include "score/submission.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct nodule included[] = {{{0, 0, 0}, 10, -1}, {{4, 0, 0}, 6, -1}};
static const struct nodule excluded[] = {{{20, 0, 0}, -1, -1}};

static void check_counts(const struct match_counts *c)
{
    CHECK(c->marks == c->cut + c->candidates);
    CHECK(c->nodules == c->true_positives + c->false_negatives);
    CHECK(c->candidates ==
          c->false_positives + c->excluded + c->true_positives + c->doubles - c->shared);
}

static void check_curve(const struct froc_result *r)
{
    for (size_t i = 1; i < r->point_count; i++) {
        CHECK(r->points[i].fps >= r->points[i - 1].fps);
        CHECK(r->points[i].sensitivity >= r->points[i - 1].sensitivity);
    }
    CHECK(r->cpm >= 0 && r->cpm <= 1 + 1e-9);
}

static void try_score(const struct submission *s)
{
    struct froc_result r;
    struct error err = {0};
    struct scored_scan *scans = calloc(s->series_count + 1, sizeof *scans);
    CHECK(scans);
    for (size_t i = 0; i <= s->series_count; i++) {
        scans[i] = (struct scored_scan){.included = included,
                                        .excluded = excluded,
                                        .included_count = 2,
                                        .excluded_count = 1};
        if (i < s->series_count) {
            scans[i].marks = s->marks + s->starts[i];
            scans[i].mark_count = s->starts[i + 1] - s->starts[i];
        }
    }
    CHECK(froc_score(scans, s->series_count + 1, &r, &err) == STATUS_OK);
    check_counts(&r.counts);
    check_curve(&r);
    CHECK(froc_bootstrap(&r, 2, 1, &err) == STATUS_OK);
    froc_result_release(&r);
    free(scans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct submission s;
    struct error err = {0};
    char path[64];
    int fd = memfd_create("submission", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status status = submission_init(&s, path, &err);
    CHECK((status == STATUS_OK) == (err.message[0] == '\0'));
    for (size_t i = 0; i < s.mark_count; i++)
        CHECK(s.marks[i].probability >= 0 && s.marks[i].probability <= 1);
    if (status == STATUS_OK)
        try_score(&s);
    submission_release(&s);
    close(fd);
    return 0;
}
