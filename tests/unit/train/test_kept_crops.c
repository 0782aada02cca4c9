/* Promise: what was kept is found again under its place alone, and no more is kept than
 * there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/kept_crops.h"

enum { ROOM = 100, PLACES = 130, VOXELS = 24 };

static struct pool_place place_at(int i)
{
    return (struct pool_place){i % 3, {i, 7 * (i % 5), -i}};
}

static void crops_are_found_until_there_is_no_room(void **state)
{
    (void)state;
    struct kept_crops *k;
    struct error err;
    bool found;
    assert_int_equal(kept_crops_new(ROOM, VOXELS, &k, &err), STATUS_OK);
    for (int i = 0; i < PLACES; i++) {
        const struct pool_place p = place_at(i);
        int16_t *crop = kept_crops_find(k, &p, &found);
        assert_false(found);
        assert_int_equal(crop == NULL, i >= ROOM);
        if (!crop)
            continue;
        /* Not added: as if reading it had failed. */
        assert_ptr_equal(kept_crops_find(k, &p, &found), crop);
        assert_false(found);
        for (int v = 0; v < VOXELS; v++)
            crop[v] = (int16_t)(i * VOXELS + v);
        kept_crops_add(k, &p);
    }
    for (int i = PLACES - 1; i >= 0; i--) {
        const struct pool_place p = place_at(i);
        const int16_t *crop = kept_crops_find(k, &p, &found);
        assert_int_equal(found, i < ROOM);
        for (int v = 0; v < VOXELS && found; v++)
            assert_int_equal(crop[v], i * VOXELS + v);
    }
    kept_crops_free(k);
}

static void without_room_nothing_is_kept(void **state)
{
    (void)state;
    struct kept_crops *k;
    struct error err;
    bool found;
    const struct pool_place p = place_at(1);
    assert_int_equal(kept_crops_new(0, VOXELS, &k, &err), STATUS_OK);
    assert_null(kept_crops_find(k, &p, &found));
    assert_false(found);
    kept_crops_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_are_found_until_there_is_no_room),
        cmocka_unit_test(without_room_nothing_is_kept),
    };
    return cmocka_run_group_tests_name("train/kept_crops", tests, NULL, NULL);
}
