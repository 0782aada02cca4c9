/* The store of a chain of nights: names in order, the last one also as "latest", links
 * that may lead nowhere, and what was there stays when it cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hdf5.h>

#include "base/file.h"
#include "io/run_links.h"
#include "temporary_folder.h"

static const char *const names[] = {"2026-11-21T020000", "2026-11-22T020000",
                                    "2026-11-23T020000"};

static void names_are_kept_in_order(void **state)
{
    const char *path = temporary_path("store.h5");
    struct run_links links;
    struct error err;
    (void)state;
    assert_int_equal(run_links_write(path, names, 3, &err), STATUS_OK);
    assert_int_equal(run_links_init(&links, path, &err), STATUS_OK);
    assert_int_equal(links.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(links.names[i], names[i]);
    run_links_release(&links);
    assert_false(file_exists(temporary_path("store.h5.part")));
}

static void links_lead_to_the_runs_beside_it(void **state)
{
    const char *path = temporary_path("store.h5");
    struct error err;
    char folder[512], store[540];
    int32_t value = 7, found = 0;
    (void)state;
    snprintf(folder, sizeof folder, "%s/runs/%s", temporary_folder, names[1]);
    snprintf(store, sizeof store, "%s/run.h5", folder);
    assert_int_equal(folder_make(folder, &err), STATUS_OK);
    hid_t file = H5Fcreate(store, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t data = H5Dcreate2(file, "value", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT,
                            H5P_DEFAULT);
    assert_true(H5Dwrite(data, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value) >=
                0);
    H5Dclose(data);
    H5Sclose(space);
    H5Fclose(file);

    assert_int_equal(run_links_write(path, names, 2, &err), STATUS_OK);
    file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    data = H5Dopen2(file, "/latest/value", H5P_DEFAULT);
    assert_true(data >= 0);
    H5Dread(data, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, &found);
    assert_int_equal(found, value);
    H5Dclose(data);
    assert_true(H5Dopen2(file, "/runs/2026-11-21T020000/value", H5P_DEFAULT) < 0);
    H5Fclose(file);
}

static void what_is_no_store_of_nights_is_refused(void **state)
{
    struct run_links links;
    struct error err;
    (void)state;
    assert_int_equal(run_links_init(&links, temporary_text("a.h5", "text"), &err),
                     STATUS_ITEM_IO);
    run_links_release(&links);
    const char *path = temporary_path("b.h5");
    H5Fclose(H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
    assert_int_equal(run_links_init(&links, path, &err), STATUS_ITEM_FORMAT);
    run_links_release(&links);
}

static void what_was_there_stays_when_it_cannot_be_written(void **state)
{
    const char *path = temporary_path("store.h5");
    struct run_links links;
    struct error err;
    (void)state;
    assert_int_equal(run_links_write(path, names, 1, &err), STATUS_OK);
    assert_int_equal(mkdir(temporary_path("store.h5.part"), 0777), 0);
    assert_int_equal(run_links_write(path, names, 3, &err), STATUS_STAGE_IO);
    assert_int_equal(run_links_init(&links, path, &err), STATUS_OK);
    assert_int_equal(links.count, 1);
    run_links_release(&links);
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_are_kept_in_order),
        TEST(links_lead_to_the_runs_beside_it),
        TEST(what_is_no_store_of_nights_is_refused),
        TEST(what_was_there_stays_when_it_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
