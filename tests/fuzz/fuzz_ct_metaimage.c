/* Bytes as a .mha file: its header parsed from memory, whole and as a beginning; then as
 * a file. */
#include "volume_file.h"

#include "ct/metaimage_header.h"

static void parse(const uint8_t *data, size_t bytes, bool whole)
{
    struct metaimage_header h;
    struct error err;
    bool complete;
    if (metaimage_header_parse((const char *)data, bytes, whole, &h, &complete, &err) ==
            STATUS_OK &&
        complete)
        metaimage_header_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > MAX_INPUT)
        return 0;
    parse(data, bytes, true);
    parse(data, bytes, false);
    volume_file_put("fuzz.mha", data, bytes);
    volume_file_read();
    return 0;
}
