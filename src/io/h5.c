#include "io/h5.h"

enum { H5_TEXT_BYTES = 400 };

void h5_quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static herr_t innermost(unsigned n, const H5E_error2_t *entry, void *context)
{
    if (n == 0 && entry->desc)
        snprintf(context, H5_TEXT_BYTES, "%s", entry->desc);
    return 0;
}

/* The file drivers bury the reason between a date and an address: "... errno = 28, error
 * message = 'No space left on device', buf = 0x...". */
static const char *reason(char *text)
{
    static const char key[] = "error message = '";
    char *start = strstr(text, key);
    if (!start)
        return text[0] ? text : "unknown error of HDF5";
    start += sizeof key - 1;
    start[strcspn(start, "'")] = '\0';
    return start;
}

enum status h5_error(struct error *err, enum status code, const char *path,
                     const char *what)
{
    char text[H5_TEXT_BYTES] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, text);
    return error_set(err, code, "%s: %s: %s", path, what, reason(text));
}

void h5_close(hid_t id)
{
    if (id > 0)
        H5Idec_ref(id);
}
