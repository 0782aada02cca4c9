#include "run/protocol.h"

#include "base/memory.h"

struct order_head {
    struct task task;
    struct hash128 identity;
    int64_t subset;
    uint64_t seriesuid_bytes, path_bytes, payload_bytes; /* texts with their NUL */
};

/* The payload comes right behind the head, so that its structures are aligned; texts
 * last. */
enum status order_pack(const struct order *o, void **out, size_t *bytes,
                       struct error *err)
{
    struct order_head head = {
        o->task, o->identity, o->subset, strlen(o->seriesuid) + 1, strlen(o->path) + 1,
        o->bytes};
    *bytes = sizeof head + o->bytes + head.seriesuid_bytes + head.path_bytes;
    enum status status = memory_new(*bytes, 1, "order", out, err);
    if (status != STATUS_OK)
        return status;
    char *p = *out;
    memcpy(p, &head, sizeof head);
    p += sizeof head;
    if (o->bytes)
        memcpy(p, o->payload, o->bytes);
    p += o->bytes;
    memcpy(p, o->seriesuid, head.seriesuid_bytes);
    memcpy(p + head.seriesuid_bytes, o->path, head.path_bytes);
    return STATUS_OK;
}

void order_unpack(const void *payload, size_t bytes, struct order *o)
{
    struct order_head head;
    const char *p = payload;
    CHECK(bytes >= sizeof head);
    memcpy(&head, p, sizeof head);
    CHECK(bytes ==
          sizeof head + head.payload_bytes + head.seriesuid_bytes + head.path_bytes);
    p += sizeof head;
    *o = (struct order){.task = head.task,
                        .identity = head.identity,
                        .subset = (int)head.subset,
                        .payload = p,
                        .bytes = head.payload_bytes};
    o->seriesuid = p + head.payload_bytes;
    o->path = o->seriesuid + head.seriesuid_bytes;
}
