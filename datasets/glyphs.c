/* glyphs.c: the generated digit images that the program falls back on when it has no data: `glyphs`.
 *
 * A digit is one to three strokes, each a Catmull-Rom curve through jittered control points. Image = strokes under a
 * random affine map (rotation, shear, scale, shift), drawn with random thickness and brightness, plus pixel
 * noise. Sample i of a split depends on (seed, split, i) only, never on how many samples are made.
 */
#include "dataset.h"
#include "loaders.h"
#include "random.h"

#include <math.h>
#include <string.h>

enum { SIDE = 28, DIGITS = 10, MAX_STROKES = 3, MAX_POINTS = 13, STEPS = 5, DEFAULT_COUNT = 20000 };

typedef struct point {
    double x, y; /* unit box, y downwards; or pixels after the affine map */
} point;

typedef struct stroke {
    int point_count;
    point points[MAX_POINTS];
} stroke;

typedef struct glyph {
    int stroke_count;
    stroke strokes[MAX_STROKES];
} glyph;

/* clang-format off */
static const glyph GLYPHS[DIGITS] = {
    {1, {{9, {{.5, .05}, {.2, .2}, {.12, .5}, {.2, .8}, {.5, .95}, {.8, .8}, {.88, .5}, {.8, .2}, {.5, .05}}}}},
    {2, {{2, {{.3, .22}, {.52, .05}}}, {2, {{.52, .05}, {.52, .95}}}}},
    {2, {{7, {{.18, .28}, {.3, .08}, {.55, .04}, {.8, .18}, {.78, .42}, {.45, .7}, {.15, .95}}},
         {2, {{.15, .95}, {.85, .95}}}}},
    {2, {{5, {{.2, .12}, {.5, .04}, {.78, .2}, {.7, .42}, {.45, .48}}},
         {6, {{.45, .48}, {.75, .55}, {.84, .75}, {.6, .95}, {.3, .95}, {.15, .84}}}}},
    {3, {{2, {{.62, .05}, {.12, .65}}}, {2, {{.12, .65}, {.88, .65}}}, {2, {{.64, .05}, {.64, .95}}}}},
    {3, {{2, {{.8, .05}, {.25, .05}}}, {2, {{.25, .05}, {.2, .45}}},
         {6, {{.2, .45}, {.5, .38}, {.8, .55}, {.8, .8}, {.5, .96}, {.18, .86}}}}},
    {1, {{10, {{.72, .06}, {.4, .2}, {.2, .5}, {.18, .75}, {.4, .95}, {.7, .9}, {.82, .7}, {.65, .52}, {.4, .52},
               {.2, .68}}}}},
    {2, {{2, {{.15, .05}, {.85, .05}}}, {3, {{.85, .05}, {.55, .5}, {.38, .95}}}}},
    {1, {{13, {{.5, .48}, {.24, .36}, {.26, .12}, {.5, .04}, {.74, .12}, {.76, .36}, {.5, .48}, {.2, .6}, {.18, .84},
               {.5, .96}, {.82, .84}, {.8, .6}, {.5, .48}}}}},
    {1, {{10, {{.8, .32}, {.6, .48}, {.35, .48}, {.18, .3}, {.3, .1}, {.6, .05}, {.82, .25}, {.8, .5}, {.6, .8},
               {.28, .94}}}}},
};
/* clang-format on */

/* The random choices of one image. */
typedef struct style {
    double xx, xy, yx, yy, shift_x, shift_y; /* pixels per unit box; centre in pixels */
    double radius, brightness, noise;        /* pen radius in pixels; grey levels */
} style;

static style draw_style(auxo__random *random)
{
    double angle = auxo__random_uniform(random, -0.30, 0.30); /* radians */
    double shear = auxo__random_uniform(random, -0.25, 0.25);
    double width = auxo__random_uniform(random, 10.0, 15.0); /* pixels */
    double height = auxo__random_uniform(random, 15.5, 20.5);
    style made;
    made.xx = cos(angle) * width;
    made.xy = (cos(angle) * shear - sin(angle)) * height;
    made.yx = sin(angle) * width;
    made.yy = (sin(angle) * shear + cos(angle)) * height;
    made.shift_x = SIDE / 2.0 - 0.5 + auxo__random_uniform(random, -2.5, 2.5);
    made.shift_y = SIDE / 2.0 - 0.5 + auxo__random_uniform(random, -2.5, 2.5);
    made.radius = auxo__random_uniform(random, 0.6, 1.6);
    made.brightness = auxo__random_uniform(random, 170.0, 255.0);
    made.noise = auxo__random_uniform(random, 2.0, 18.0);
    return made;
}

static point to_pixels(const style *look, point unit)
{
    double x = unit.x - 0.5, y = unit.y - 0.5;
    return (point){look->xx * x + look->xy * y + look->shift_x, look->yx * x + look->yy * y + look->shift_y};
}

/* Catmull-Rom between b and c, with neighbours a and d; t in [0, 1]. */
static point curve_point(point a, point b, point c, point d, double t)
{
    double t2 = t * t, t3 = t2 * t;
    double wa = -0.5 * t3 + t2 - 0.5 * t, wb = 1.5 * t3 - 2.5 * t2 + 1.0;
    double wc = -1.5 * t3 + 2.0 * t2 + 0.5 * t, wd = 0.5 * t3 - 0.5 * t2;
    return (point){wa * a.x + wb * b.x + wc * c.x + wd * d.x, wa * a.y + wb * b.y + wc * c.y + wd * d.y};
}

static double squared_distance(point p, point from, point to)
{
    double dx = to.x - from.x, dy = to.y - from.y;
    double length2 = dx * dx + dy * dy;
    double t = length2 > 0 ? ((p.x - from.x) * dx + (p.y - from.y) * dy) / length2 : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    double ex = p.x - (from.x + t * dx), ey = p.y - (from.y + t * dy);
    return ex * ex + ey * ey;
}

static int clamp_pixel(double value)
{
    return value < 0 ? 0 : value > SIDE - 1 ? SIDE - 1 : (int)value;
}

/* Raises ink to the pen's coverage along one straight piece; the edge is one pixel soft. */
static void ink_segment(double ink[SIDE][SIDE], point from, point to, double radius)
{
    double reach = radius + 0.5;
    int left = clamp_pixel(fmin(from.x, to.x) - reach), right = clamp_pixel(ceil(fmax(from.x, to.x) + reach));
    int top = clamp_pixel(fmin(from.y, to.y) - reach), bottom = clamp_pixel(ceil(fmax(from.y, to.y) + reach));
    for (int y = top; y <= bottom; y++)
        for (int x = left; x <= right; x++) {
            double distance2 = squared_distance((point){x, y}, from, to);
            if (distance2 >= reach * reach)
                continue;
            double coverage = fmin(1.0, reach - sqrt(distance2));
            if (coverage > ink[y][x])
                ink[y][x] = coverage;
        }
}

static void ink_stroke(double ink[SIDE][SIDE], const stroke *line, const style *look, auxo__random *random)
{
    point points[MAX_POINTS];
    int last = line->point_count - 1;
    for (int i = 0; i <= last; i++) {
        double x = line->points[i].x + auxo__random_uniform(random, -0.045, 0.045);
        double y = line->points[i].y + auxo__random_uniform(random, -0.045, 0.045);
        points[i] = to_pixels(look, (point){x, y});
    }
    for (int i = 0; i < last; i++) {
        point before = points[i > 0 ? i - 1 : 0], after = points[i + 2 <= last ? i + 2 : last];
        point from = points[i];
        for (int step = 1; step <= STEPS; step++) {
            point to = curve_point(before, points[i], points[i + 1], after, (double)step / STEPS);
            ink_segment(ink, from, to, look->radius);
            from = to;
        }
    }
}

/* About standard normal from one random word: the sum of its four bytes, centred and scaled (a bell curve is all that
 * pixel noise needs, and 784 logarithms an image would cost more than the drawing). */
static double pixel_noise(uint32_t word)
{
    int sum = (int)(word & 255) + (int)(word >> 8 & 255) + (int)(word >> 16 & 255) + (int)(word >> 24);
    return (sum - 510) / 147.80;
}

static uint32_t draw_sample(uint8_t pixels[SIDE * SIDE], uint64_t seed, uint32_t stream, uint64_t sample)
{
    auxo__random random;
    auxo__random_init(&random, seed, stream, sample);
    uint32_t digit = auxo__random_below(&random, DIGITS);
    style look = draw_style(&random);
    double ink[SIDE][SIDE];
    memset(ink, 0, sizeof ink);
    for (int i = 0; i < GLYPHS[digit].stroke_count; i++)
        ink_stroke(ink, &GLYPHS[digit].strokes[i], &look, &random);
    for (int i = 0; i < SIDE * SIDE; i++) {
        double value = ink[i / SIDE][i % SIDE] * look.brightness + look.noise * pixel_noise(auxo__random_u32(&random));
        pixels[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
    }
    return digit;
}

static auxo_status make_split(const auxo_data_options *options, size_t count, uint32_t stream, auxo_dataset **dataset,
                              auxo_error *error)
{
    static const char *const names[DIGITS] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    auxo__dataset_shape shape = {.row_count = auxo__limited(count, options->limit),
                                 .channels = 1,
                                 .height = SIDE,
                                 .width = SIDE,
                                 .feature_type = AUXO_FEATURES_U8,
                                 .target_type = AUXO_TARGET_CLASS,
                                 .target_count = DIGITS};
    auxo_status status = auxo__dataset_create("glyphs", &shape, dataset, error);
    if (status != AUXO_OK)
        return status;
    for (size_t i = 0; i < shape.row_count; i++)
        (*dataset)->labels[i] =
            draw_sample((uint8_t *)(*dataset)->features + i * SIDE * SIDE, options->seed, stream, i);
    (*dataset)->target_names = auxo__names_copy(names, DIGITS);
    if (!(*dataset)->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "glyphs: no memory for class names");
    return AUXO_OK;
}

auxo_status auxo__load_glyphs(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                              auxo_error *error)
{
    size_t count = options->generated_count ? options->generated_count : DEFAULT_COUNT;
    auxo_status status = make_split(options, count, AUXO__STREAM_TRAIN, train, error);
    if (status == AUXO_OK)
        status = make_split(options, (count + 4) / 5, AUXO__STREAM_TEST, test, error);
    return status;
}
