/* Bytes as a zip archive: listed, and every volume in it opened and read, forwards and
 * again from the front. */
#include "volume_file.h"

#include "ct/archive.h"

static void read_member(const char *name)
{
    char archive[300];
    struct volume *v;
    snprintf(archive, sizeof archive, "%s", volume_path);
    snprintf(volume_path, sizeof volume_path, "%.150s/%.140s", archive, name);
    volume_file_read();
    volume_file_read();
    if (volume_open(volume_path, NULL, &v, NULL) == STATUS_OK)
        volume_close(v);
    snprintf(volume_path, sizeof volume_path, "%s", archive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct archive_list list;
    if (bytes > MAX_INPUT)
        return 0;
    volume_file_put("fuzz.zip", data, bytes);
    if (archive_list_init(&list, volume_path, NULL) == STATUS_OK)
        for (size_t i = 0; i < list.count && i < 8; i++)
            read_member(list.entries[i].name);
    archive_list_release(&list);
    return 0;
}
