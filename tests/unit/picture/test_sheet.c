#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <png.h>

#include "base/file.h"
#include "picture/sheet.h"
#include "temporary_folder.h"

static void a_window_maps_its_ends_to_black_and_white_and_is_linear_between(void **state)
{
    (void)state;
    assert_int_equal(window_grey(&window_lung, -1350), 0);
    assert_int_equal(window_grey(&window_lung, -3024), 0);
    assert_int_equal(window_grey(&window_lung, 150), 255);
    assert_int_equal(window_grey(&window_lung, 3071), 255);
    assert_int_equal(window_grey(&window_lung, -600), 128); /* 127.5, half up */
    assert_int_equal(window_grey(&window_lung, -1050), 51); /* a fifth: exact */
    assert_int_equal(window_grey(&window_soft, -160), 0);
    assert_int_equal(window_grey(&window_soft, 0), 102);
    assert_int_equal(window_grey(&window_soft, 240), 255);
    for (int hu = -1349; hu < 150; hu++)
        assert_int_equal(window_grey(&window_lung, hu),
                         (int)floor(255.0 * (hu + 1350) / 1500 + 0.5));
}

static void a_window_is_a_name_or_two_numbers(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",       "bone",   "40",      "40,",   "40,0",
                                        "40,-10", "40,4,4", "40,400 ", "nan,1", "1,inf"};
    struct window w;
    struct error err;
    assert_int_equal(window_parse("soft", &w, &err), STATUS_OK);
    assert_true(w.centre == 40 && w.width == 400);
    assert_int_equal(window_parse("-50.5,1e3", &w, &err), STATUS_OK);
    assert_true(w.centre == -50.5 && w.width == 1000);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(window_parse(wrong[i], &w, &err), STATUS_JOB_CONFIG);
        assert_non_null(strstr(err.message, wrong[i]));
    }
}

/* A section made by hand. */
static struct section plane(int64_t rows, double row_mm, int64_t columns,
                            double column_mm, float *values)
{
    return (struct section){.rows = {.count = rows, .spacing = row_mm},
                            .columns = {.count = columns, .spacing = column_mm},
                            .values = values};
}

static int red(const struct canvas *c, int64_t x, int64_t y)
{
    return c->pixels[y * c->width + x].red;
}

/* 4 slices of 2.5 mm and 10 columns of 1 mm: ten pixels high and wide. */
static void pixels_are_squares_of_millimetres(void **state)
{
    (void)state;
    float values[40] = {0};
    struct section s = plane(4, 2.5, 10, 1, values);
    struct sheet_view view = {&s, NULL};
    struct canvas c;
    struct error err;
    double mm;
    const struct {
        int64_t asked, width, height;
        double mm;
    } cases[] = {{0, 10, 10, 1}, {50, 50, 50, 0.2}, {7, 7, 7, 10.0 / 7}};
    for (int i = 0; i < 3; i++) {
        struct sheet_options o = {.window = window_lung, .width = cases[i].asked};
        assert_int_equal(sheet_init(&c, &view, 1, &o, &mm, &err), STATUS_OK);
        assert_int_equal(c.width, cases[i].width);
        assert_int_equal(c.height, cases[i].height);
        assert_true(fabs(mm - cases[i].mm) < 1e-12);
        canvas_release(&c);
    }
}

/* Window 0 .. 100 HU. At twice the size, pixel centres lie a quarter of a voxel off. */
static void values_are_interpolated_linearly_between_voxels(void **state)
{
    (void)state;
    float values[4] = {0, 100, 0, 100};
    struct section s = plane(2, 1, 2, 1, values);
    struct sheet_view view = {&s, NULL};
    struct sheet_options o = {.window = {50, 100}, .width = 4};
    struct canvas c;
    struct error err;
    double mm;
    assert_int_equal(sheet_init(&c, &view, 1, &o, &mm, &err), STATUS_OK);
    for (int y = 0; y < 4; y++) {
        assert_int_equal(red(&c, 0, y), 0);
        assert_int_equal(red(&c, 1, y), 64); /* 63.75 */
        assert_int_equal(red(&c, 2, y), 191);
        assert_int_equal(red(&c, 3, y), 255);
    }
    canvas_release(&c);
}

static void a_small_picture_keeps_the_mean_of_what_a_pixel_covers(void **state)
{
    (void)state;
    float values[32 * 32];
    for (int i = 0; i < 32 * 32; i++)
        values[i] = i % 2 ? 100 : 0;
    struct section s = plane(32, 1, 32, 1, values);
    struct sheet_view view = {&s, NULL};
    struct sheet_options o = {.window = {50, 100}, .width = 8};
    struct canvas c;
    struct error err;
    double mm;
    assert_int_equal(sheet_init(&c, &view, 1, &o, &mm, &err), STATUS_OK);
    for (int y = 0; y < 8; y++)
        for (int x = 1; x < 7; x++)
            assert_in_range(red(&c, x, y), 127, 128);
    canvas_release(&c);
}

static void views_stand_side_by_side_on_one_scale(void **state)
{
    (void)state;
    float white[100], black[100] = {0};
    for (int i = 0; i < 100; i++)
        white[i] = 100;
    struct section a = plane(10, 1, 10, 1, white), b = plane(10, 2, 5, 1, black);
    struct sheet_view views[] = {{&a, NULL}, {&b, NULL}, {&a, NULL}};
    struct sheet_options o = {.window = {50, 100}};
    struct canvas c;
    struct error err;
    double mm;
    assert_int_equal(sheet_init(&c, views, 3, &o, &mm, &err), STATUS_OK);
    int64_t gap = (c.width - 25) / 2;
    assert_true(gap > 0 && c.width == 25 + 2 * gap && c.height == 20);
    assert_int_equal(red(&c, 5, 10), 255);            /* the first, in the middle */
    assert_int_not_equal(red(&c, 5, 2), 255);         /* nothing above it */
    assert_int_equal(red(&c, 10 + gap, 0), 0);        /* the second, from the top */
    assert_int_equal(red(&c, 15 + 2 * gap, 10), 255); /* the third */
    canvas_release(&c);
    o.width = 200; /* is kept to the pixel */
    assert_int_equal(sheet_init(&c, views, 3, &o, &mm, &err), STATUS_OK);
    assert_int_equal(c.width, 200);
    canvas_release(&c);
}

static void a_crosshair_stands_at_the_point_and_is_open_around_it(void **state)
{
    (void)state;
    float values[100 * 100] = {0};
    struct section s = plane(100, 1, 100, 1, values);
    s.rows.point = 30;
    s.columns.point = 60;
    struct sheet_view view = {&s, NULL};
    struct sheet_options o = {.window = window_soft, .crosshair = true};
    struct canvas c;
    struct error err;
    double mm;
    assert_int_equal(sheet_init(&c, &view, 1, &o, &mm, &err), STATUS_OK);
    for (int x = 0; x < 100; x++)
        for (int y = 0; y < 100; y++) {
            struct colour p = c.pixels[y * 100 + x];
            bool coloured = p.red != p.blue;
            if (x != 60 && y != 30)
                assert_false(coloured);
            if ((x == 60 && abs(y - 30) > 20) || (y == 30 && abs(x - 60) > 20))
                assert_true(coloured);
            if (abs(x - 60) < 8 && abs(y - 30) < 8)
                assert_false(coloured);
        }
    canvas_release(&c);
}

static void an_overlay_colours_what_it_covers_and_nothing_else(void **state)
{
    (void)state;
    float values[16] = {0}, mask[16] = {0};
    mask[5] = 1;
    mask[6] = 0.5f;
    mask[9] = 7; /* a label counts as 1 */
    struct section s = plane(4, 1, 4, 1, values), m = plane(4, 1, 4, 1, mask);
    struct sheet_view view = {&s, &m};
    struct sheet_options o = {.window = window_soft};
    struct canvas c;
    struct error err;
    double mm;
    assert_int_equal(sheet_init(&c, &view, 1, &o, &mm, &err), STATUS_OK);
    for (int i = 0; i < 16; i++)
        assert_int_equal(c.pixels[i].red != c.pixels[i].blue, mask[i] > 0);
    assert_true(red(&c, 1, 1) > red(&c, 2, 1));
    assert_int_equal(red(&c, 1, 1), red(&c, 1, 2));
    canvas_release(&c);
}

static void sizes_that_make_no_picture_are_refused_with_their_value(void **state)
{
    (void)state;
    float values[100] = {0};
    struct section s = plane(100, 1000, 1, 1, values);
    struct sheet_view views[] = {{&s, NULL}, {&s, NULL}};
    struct sheet_options o = {.window = window_soft, .width = 500};
    struct canvas c;
    struct error err;
    double mm;
    assert_int_equal(sheet_init(&c, views, 2, &o, &mm, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "500 x"));
    canvas_release(&c);
    o.width = 5;
    assert_int_equal(sheet_init(&c, views, 2, &o, &mm, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "5 pixels are too few for 2 views"));
    canvas_release(&c);
}

/* Reads a PNG with libpng and holds it against the canvas. */
static void expect_png(const struct canvas *c, const char *path, png_uint_32 format)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    assert_int_equal(image.width, c->width);
    assert_int_equal(image.height, c->height);
    assert_int_equal(image.format & PNG_FORMAT_FLAG_COLOR, format);
    image.format = PNG_FORMAT_RGB;
    struct colour *pixels = malloc(PNG_IMAGE_SIZE(image));
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    assert_memory_equal(pixels, c->pixels, PNG_IMAGE_SIZE(image));
    free(pixels);
}

static void a_png_holds_the_pixels_and_is_the_same_bytes_each_time(void **state)
{
    (void)state;
    struct canvas c;
    struct error err;
    char *grey = temporary_path("grey.png"), *coloured = temporary_path("coloured.png"),
         *again = temporary_path("again.png"), *a, *b;
    size_t a_bytes, b_bytes;
    assert_int_equal(canvas_init(&c, 7, 5, (struct colour){32, 32, 32}, &err), STATUS_OK);
    assert_int_equal(canvas_write_png(&c, grey, &err), STATUS_OK);
    expect_png(&c, grey, 0);
    canvas_blend(&c, 3, 2, (struct colour){255, 0, 10}, 1);
    canvas_blend(&c, -1, 2, (struct colour){255, 0, 10}, 1);
    canvas_blend(&c, 7, 4, (struct colour){255, 0, 10}, 1);
    assert_int_equal(canvas_write_png(&c, coloured, &err), STATUS_OK);
    expect_png(&c, coloured, PNG_FORMAT_FLAG_COLOR);
    assert_int_equal(canvas_write_png(&c, again, &err), STATUS_OK);
    assert_int_equal(file_read(coloured, 1 << 20, &a, &a_bytes, &err), STATUS_OK);
    assert_int_equal(file_read(again, 1 << 20, &b, &b_bytes, &err), STATUS_OK);
    assert_int_equal(a_bytes, b_bytes);
    assert_memory_equal(a, b, a_bytes);
    assert_null(memmem(a, a_bytes, "tIME", 4));
    free(a);
    free(b);
    assert_int_equal(canvas_write_png(&c, "/nowhere/a.png", &err), STATUS_STAGE_IO);
    assert_non_null(strstr(err.message, "/nowhere/a.png"));
    canvas_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_maps_its_ends_to_black_and_white_and_is_linear_between),
        cmocka_unit_test(a_window_is_a_name_or_two_numbers),
        cmocka_unit_test(pixels_are_squares_of_millimetres),
        cmocka_unit_test(values_are_interpolated_linearly_between_voxels),
        cmocka_unit_test(a_small_picture_keeps_the_mean_of_what_a_pixel_covers),
        cmocka_unit_test(views_stand_side_by_side_on_one_scale),
        cmocka_unit_test(a_crosshair_stands_at_the_point_and_is_open_around_it),
        cmocka_unit_test(an_overlay_colours_what_it_covers_and_nothing_else),
        cmocka_unit_test(sizes_that_make_no_picture_are_refused_with_their_value),
        cmocka_unit_test_setup_teardown(
            a_png_holds_the_pixels_and_is_the_same_bytes_each_time, temporary_folder_make,
            temporary_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
