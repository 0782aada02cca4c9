#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "io/tensor_file.h"
#include "temporary_folder.h"
#include "weights_writer.h"

static struct error err;

static const float values[6] = {0, 1, -2, 3, 100, -128};
static const hsize_t shape[2] = {2, 3};

/* A file that holds one good tensor and whatever else the caller writes. */
static hid_t file_with_a_tensor(const char *path)
{
    hid_t file = weights_create(path);
    weights_write(file, "b.weight", 2, shape, values);
    return file;
}

static void assert_refused(const char *path, const char *what)
{
    struct tensor_file f;
    assert_int_equal(tensor_file_init(&f, path, &err), STATUS_JOB_CONFIG);
    assert_int_equal(err.code, STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, what));
    tensor_file_release(&f);
}

static void
tensors_come_back_with_shape_and_values_whatever_their_number_type(void **state)
{
    (void)state;
    char *path = temporary_path("w.h5");
    const hid_t types[] = {H5T_IEEE_F64BE, H5T_IEEE_F32LE, H5T_STD_I64LE, H5T_STD_I8LE,
                           H5T_STD_I16BE};
    const size_t count = sizeof types / sizeof types[0];
    char name[16];
    hid_t file = weights_create(path), half = H5Tcopy(H5T_IEEE_F32LE);
    struct tensor_file f;

    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "t%zu", i);
        weights_write_as(file, name, types[i], 2, shape, values);
    }
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    weights_write_as(file, "half", half, 2, shape, values);
    weights_write_as(file, "scalar", H5T_STD_I64LE, 0, NULL, &values[4]);
    H5Tclose(half);
    H5Fclose(file);

    assert_int_equal(tensor_file_init(&f, path, &err), STATUS_OK);
    assert_int_equal(f.count, count + 2);
    for (size_t i = 0; i < f.count; i++) {
        const struct named_tensor *t = &f.tensors[i];
        assert_ptr_equal(tensor_file_find(&f, t->name), t);
        if (strcmp(t->name, "scalar") == 0) {
            assert_int_equal(t->rank, 0);
            assert_int_equal(t->count, 1);
            assert_true(t->values[0] == 100);
            continue;
        }
        assert_int_equal(t->rank, 2);
        assert_int_equal(t->shape[0], 2);
        assert_int_equal(t->shape[1], 3);
        assert_memory_equal(t->values, values, sizeof values);
    }
    assert_null(tensor_file_find(&f, "t"));
    assert_null(f.network);
    assert_int_equal(tensor_file_has_seen(&f, "1.2.3"), -1);
    tensor_file_release(&f);
}

static void the_attribute_names_the_network_in_either_kind_of_text(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= 8; bytes += 8) {
        struct tensor_file f;
        char *path = temporary_path("w.h5");
        hid_t file = file_with_a_tensor(path);
        weights_write_attribute(file, "network", bytes, "unet2d  ");
        weights_write_attribute(file, "note", 0, "something else");
        H5Fclose(file);
        assert_int_equal(tensor_file_init(&f, path, &err), STATUS_OK);
        assert_string_equal(f.network, bytes ? "unet2d" : "unet2d  ");
        tensor_file_release(&f);
    }
}

static void a_scan_is_seen_when_the_file_lists_it(void **state)
{
    (void)state;
    static const char *const seen[] = {"1.2.9", "1.2.3", "1.2.10"};
    for (size_t bytes = 0; bytes <= 6; bytes += 6) {
        struct tensor_file f;
        char *path = temporary_path("w.h5");
        hid_t file = file_with_a_tensor(path);
        weights_write_texts(file, "seen_seriesuids", bytes, 3, seen);
        H5Fclose(file);
        assert_int_equal(tensor_file_init(&f, path, &err), STATUS_OK);
        assert_int_equal(f.count, 1);
        for (int i = 0; i < 3; i++)
            assert_int_equal(tensor_file_has_seen(&f, seen[i]), 1);
        assert_int_equal(tensor_file_has_seen(&f, "1.2.1"), 0);
        tensor_file_release(&f);
    }
}

static void an_empty_list_of_scans_means_that_none_was_seen(void **state)
{
    (void)state;
    struct tensor_file f;
    char *path = temporary_path("w.h5");
    hid_t file = file_with_a_tensor(path);
    weights_write_texts(file, "seen_seriesuids", 0, 0, NULL);
    H5Fclose(file);
    assert_int_equal(tensor_file_init(&f, path, &err), STATUS_OK);
    assert_int_equal(tensor_file_has_seen(&f, "1.2.3"), 0);
    tensor_file_release(&f);
}

static struct hash128 content_of(const char *path)
{
    struct tensor_file f;
    assert_int_equal(tensor_file_init(&f, path, &err), STATUS_OK);
    struct hash128 h = f.content;
    tensor_file_release(&f);
    return h;
}

static void content_depends_on_names_shapes_and_values_alone(void **state)
{
    (void)state;
    static const hsize_t turned[2] = {3, 2};
    char *a = temporary_path("a.h5"), *b = temporary_path("b.h5"),
         *c = temporary_path("c.h5");
    char *d = temporary_path("d.h5");
    hid_t file = weights_create(a);
    weights_write(file, "x", 2, shape, values);
    weights_write(file, "y", 2, shape, values);
    H5Fclose(file);
    file = weights_create(b);
    weights_write_as(file, "y", H5T_IEEE_F64LE, 2, shape, values);
    weights_write(file, "x", 2, shape, values);
    weights_write_attribute(file, "network", 0, "n");
    H5Fclose(file);
    file = weights_create(c);
    weights_write(file, "x", 2, shape, values);
    weights_write(file, "y", 2, turned, values);
    H5Fclose(file);
    file = weights_create(d);
    weights_write(file, "x", 2, shape, values);
    weights_write(file, "z", 2, shape, values);
    H5Fclose(file);
    assert_true(hash_equal(content_of(a), content_of(b)));
    assert_false(hash_equal(content_of(a), content_of(c)));
    assert_false(hash_equal(content_of(a), content_of(d)));
}

static void what_is_no_file_of_tensors_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const words[] = {"one", "two"};
    const float bad[2] = {1, NAN}, large[1] = {1};
    const hsize_t two[1] = {2}, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    char *path = temporary_path("w.h5");

    assert_refused(path, "No such file");
    assert_refused(temporary_text("text.h5", "not HDF5 at all"), "not an HDF5 file");

    H5Fclose(weights_create(path));
    assert_refused(path, "no tensors");

    hid_t file = file_with_a_tensor(path);
    weights_write(file, "a.weight", 1, two, bad);
    H5Fclose(file);
    assert_refused(path, "a.weight holds nan at 1");

    file = file_with_a_tensor(path);
    weights_write_texts(file, "a.words", 0, 2, words);
    H5Fclose(file);
    assert_refused(path, "a.words does not hold numbers");

    file = file_with_a_tensor(path);
    weights_write(file, "deep", 9, nine, large);
    H5Fclose(file);
    assert_refused(path, "deep has 9 dimensions");

    file = file_with_a_tensor(path);
    H5Gclose(H5Gcreate2(file, "model_state", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Fclose(file);
    assert_refused(path, "model_state is no dataset");

    file = file_with_a_tensor(path);
    weights_write(file, "seen_seriesuids", 1, two, values);
    H5Fclose(file);
    assert_refused(path, "seen_seriesuids does not hold text");
}

#define IN_A_FOLDER(test)                                                                \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

static void what_is_written_is_read_back_in_the_same_bytes(void **state)
{
    (void)state;
    char *path = temporary_path("written.h5"), *again = temporary_path("again.h5");
    char *first, *second;
    size_t bytes, more;
    struct named_tensor tensors[] = {
        {.name = "a.bias",
         .rank = 1,
         .shape = {3},
         .count = 3,
         .values = (float *)values},
        {.name = "b", .rank = 0, .count = 1, .values = (float *)&values[4]},
        {.name = "c.weight",
         .rank = 2,
         .shape = {2, 3},
         .count = 6,
         .values = (float *)values},
    };
    char *seen[] = {"1.2.3", "1.2.30", "1.2.4"}, *selected[] = {"1.2.30"};
    struct tensor_file f, written = {.tensors = tensors,
                                     .count = 3,
                                     .network = "luna",
                                     .initial = "00ff",
                                     .seen = seen,
                                     .seen_count = 3,
                                     .selected = selected,
                                     .selected_count = 1};
    assert_int_equal(tensor_file_write(path, &written, &err), STATUS_OK);
    assert_int_equal(tensor_file_init(&f, path, &err), STATUS_OK);
    assert_int_equal(f.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(f.tensors[i].name, tensors[i].name);
        assert_int_equal(f.tensors[i].rank, tensors[i].rank);
        assert_memory_equal(f.tensors[i].shape, tensors[i].shape,
                            sizeof f.tensors[i].shape);
        assert_memory_equal(f.tensors[i].values, tensors[i].values,
                            tensors[i].count * sizeof(float));
    }
    assert_string_equal(f.network, "luna");
    assert_string_equal(f.initial, "00ff");
    assert_int_equal(tensor_file_has_seen(&f, "1.2.30"), 1);
    assert_int_equal(tensor_file_has_seen(&f, "1.2.5"), 0);
    assert_int_equal(f.selected_count, 1);
    assert_string_equal(f.selected[0], "1.2.30");
    assert_int_equal(tensor_file_write(again, &f, &err), STATUS_OK);
    assert_int_equal(file_read(path, 1 << 20, &first, &bytes, &err), STATUS_OK);
    assert_int_equal(file_read(again, 1 << 20, &second, &more, &err), STATUS_OK);
    assert_int_equal(bytes, more);
    assert_memory_equal(first, second, bytes);
    free(first);
    free(second);
    tensor_file_release(&f);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct named_tensor t = {.name = "b", .count = 1, .values = (float *)values};
    struct tensor_file f = {.tensors = &t, .count = 1};
    char *path = temporary_path("no/such/folder.h5");
    assert_int_equal(tensor_file_write(path, &f, &err), STATUS_STAGE_IO);
    assert_non_null(strstr(err.message, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(tensors_come_back_with_shape_and_values_whatever_their_number_type),
        IN_A_FOLDER(the_attribute_names_the_network_in_either_kind_of_text),
        IN_A_FOLDER(a_scan_is_seen_when_the_file_lists_it),
        IN_A_FOLDER(an_empty_list_of_scans_means_that_none_was_seen),
        IN_A_FOLDER(content_depends_on_names_shapes_and_values_alone),
        IN_A_FOLDER(what_is_no_file_of_tensors_is_refused_by_name),
        IN_A_FOLDER(what_is_written_is_read_back_in_the_same_bytes),
        IN_A_FOLDER(a_place_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
