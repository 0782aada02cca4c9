#include "report/chart.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

extern char **environ;

enum { WIDTH = 480, HEIGHT = 310, SVG_LIMIT = 4 << 20 };

enum status chart_begin(struct chart *c, const struct chart_axes *axes, struct error *err)
{
    *c = (struct chart){.axes = *axes};
    c->script = open_memstream(&c->text, &c->bytes);
    if (!c->script)
        return error_set(err, STATUS_STAGE_MEMORY, "a chart: %s", strerror(errno));
    fprintf(c->script,
            "set terminal svg size %d,%d dynamic noenhanced font \"inherit,13\"\n"
            "set encoding utf8\n"
            "set border 3 lc rgb " CHART_INK "\n"
            "set tics nomirror out scale 0.5\n"
            "set grid lc rgb " CHART_GRID " lw 1 dt solid\n"
            "set key outside bottom center horizontal reverse Left samplen 2 height 1\n"
            "set xlabel \"%s\"\nset ylabel \"%s\"\n",
            WIDTH, axes->height ? axes->height : HEIGHT, axes->x, axes->y);
    return STATUS_OK;
}

void chart_drop(struct chart *c)
{
    if (c->script)
        fclose(c->script);
    free(c->text);
    *c = (struct chart){0};
}

bool chart_can_draw(void)
{
    const char *path = getenv("PATH");
    char name[4096];
    for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
        const int n = (int)strcspn(path, ":");
        if (n > 0 &&
            snprintf(name, sizeof name, "%.*s/gnuplot", n, path) < (int)sizeof name &&
            !access(name, X_OK))
            return true;
    }
    return false;
}

/* Files without names stand on either side of the child: no pipe can fill up, and nothing
 * is left behind. posix_spawn does not copy this process, which may be large and have
 * memory that the network card writes to. */
static enum status run_gnuplot(FILE *script, FILE *svg, bool *drawn, struct error *err)
{
    char *const arguments[] = {(char *)"gnuplot", (char *)"-", NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int ended = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(svg), STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed =
        posix_spawnp(&child, "gnuplot", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    *drawn = false;
    if (failed)
        return failed == ENOENT || failed == EACCES
                   ? STATUS_OK
                   : error_set(err, STATUS_STAGE_IO, "gnuplot: %s", strerror(failed));
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
        continue;
    *drawn = WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
    return STATUS_OK;
}

/* *out = what gnuplot made of the script, to be freed; NULL: nothing. */
static enum status draw(struct chart *c, char **out, struct error *err)
{
    enum status status = STATUS_OK;
    bool drawn = false;
    char *text = NULL;
    FILE *script = tmpfile(), *svg = tmpfile();
    *out = NULL;
    if (!script || !svg || fwrite(c->text, 1, c->bytes, script) != c->bytes ||
        fflush(script) || fseek(script, 0, SEEK_SET)) {
        status = error_set(err, STATUS_STAGE_IO, "a chart: %s", strerror(errno));
        goto out;
    }
    TRY(run_gnuplot(script, svg, &drawn, err));
    const long bytes = drawn && !fseek(svg, 0, SEEK_END) ? ftell(svg) : -1;
    if (bytes <= 0 || bytes > SVG_LIMIT || fseek(svg, 0, SEEK_SET))
        goto out;
    TRY(memory_new((size_t)bytes + 1, 1, "a chart", (void **)&text, err));
    if (fread(text, 1, (size_t)bytes, svg) == (size_t)bytes) {
        *out = text;
        text = NULL;
    }
out:
    free(text);
    if (script)
        fclose(script);
    if (svg)
        fclose(svg);
    return status;
}

/* ---- into the page ---- */

/* Writes a colour in the place of one of gnuplot's; returns what follows it in the text,
 * or NULL when there is none. */
static const char *recolour(const struct html *h, const char *at)
{
    int red, green, blue, used = 0;
    if (sscanf(at, "rgb(%d,%d,%d)%n", &red, &green, &blue, &used) != 3 || !used)
        return NULL;
    if (red || green || blue < 1 || blue > 15)
        html_format(h, "rgb(%d,%d,%d)", red, green, blue);
    else
        html_format(h, "var(--chart-%d)", blue);
    return at + used;
}

/* What is written otherwise than gnuplot wrote it. Names of parts carry the number of the
 * chart, since a page holds many; black is the colour of the text around it. */
static const struct {
    const char *from, *to;
} replacements[] = {
    {" id=\"", " id=\"c%d-"},
    {" id='", " id='c%d-"},
    {"href='#", "href='#c%d-"},
    {"url(#", "url(#c%d-"},
    {"fill=\"black\"", "fill=\"currentColor\""},
    {"color=\"black\"", ""},
    {"color='white'", "color='var(--paper)'"},
};

static const char *replace(const struct html *h, int number, const char *at)
{
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
        const size_t n = strlen(replacements[i].from);
        if (strncmp(at, replacements[i].from, n))
            continue;
        const char *mark = strstr(replacements[i].to, "%d");
        if (mark)
            html_format(h, "%.*s%d%s", (int)(mark - replacements[i].to),
                        replacements[i].to, number, mark + 2);
        else
            html_put(h, replacements[i].to);
        return at + n;
    }
    return NULL;
}

/* From the canvas on: head and names of gnuplot's file give way to our own. */
static void embed(const struct chart *c, const struct html *h, int number,
                  const char *svg)
{
    const char *at = strstr(svg, "<g id=\"gnuplot_canvas\">");
    html_format(h,
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"c%d-title\">"
                "<title id=\"c%d-title\">",
                WIDTH, c->axes.height ? c->axes.height : HEIGHT, number, number);
    html_text(h, c->axes.title);
    html_format(h, ": %s against %s</title>\n", c->axes.y, c->axes.x);
    while (at && *at) {
        const char *after = *at == 'r' ? recolour(h, at) : NULL;
        if (!after)
            after = replace(h, number, at);
        if (!after && !strncmp(at, "<title>", 7)) /* "gnuplot_plot_1" */
            after = strstr(at, "</title>") ? strstr(at, "</title>") + 8 : NULL;
        if (!after)
            fputc(*at++, h->out);
        else
            at = after;
    }
}

enum status chart_draw(struct chart *c, const struct html *h, int number,
                       struct error *err)
{
    char *svg = NULL;
    enum status status = STATUS_OK;
    fclose(c->script);
    c->script = NULL;
    html_put(h, "<figure class=chart><figcaption>");
    html_text(h, c->axes.title);
    html_put(h, "</figcaption>\n");
    TRY(draw(c, &svg, err));
    if (svg)
        embed(c, h, number, svg);
    else
        html_put(h, "<p class=note>No drawing: gnuplot was not found, or failed, where "
                    "this report was made. The numbers are below.</p>");
out:
    free(svg);
    chart_drop(c);
    return status;
}
