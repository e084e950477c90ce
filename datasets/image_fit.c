/* image_fit.c: brings an image to the colour and size that a rule asks for.
 *
 * Sizes change by a separable triangle filter, as wide as the step where the image shrinks: areas are averaged, and
 * nothing flickers. The arithmetic is in float on either depth; results are rounded once.
 */
#include "image.h"

#include <math.h>
#include <stdlib.h>

static double value_at(const auxo__image *image, size_t at)
{
    return image->deep ? image->deep[at] : image->pixels[at];
}

/* An image of another shape and the same depth; only its memory is taken. */
static auxo_status make_like(const char *path, const auxo__image *image, uint32_t channels, uint32_t height,
                             uint32_t width, auxo__image *made, auxo_error *error)
{
    *made = (auxo__image){.channels = channels, .height = height, .width = width};
    return auxo__image_allocate(path, image->deep != NULL, AUXO__IMAGE_BYTES_MAX, 1, made, error);
}

static void store(auxo__image *image, size_t at, double value)
{
    double rounded = floor(value + 0.5), most = image->deep ? 65535 : 255;
    rounded = rounded < 0 ? 0 : rounded > most ? most : rounded;
    if (image->deep)
        image->deep[at] = (uint16_t)rounded;
    else
        image->pixels[at] = (uint8_t)rounded;
}

/* Grey by the weights of Rec. 601, or grey repeated in three planes. */
static auxo_status change_colour(const char *path, uint32_t channels, auxo__image *image, auxo_error *error)
{
    static const double weights[3] = {0.299, 0.587, 0.114};
    if (channels == image->channels)
        return AUXO_OK;
    auxo__image made;
    auxo_status status = make_like(path, image, channels, image->height, image->width, &made, error);
    if (status != AUXO_OK)
        return status;
    size_t plane = (size_t)image->height * image->width;
    for (size_t i = 0; i < plane; i++) {
        double grey = 0;
        for (uint32_t c = 0; c < 3; c++)
            grey += weights[c] * value_at(image, image->channels == 3 ? c * plane + i : i);
        for (uint32_t c = 0; c < channels; c++)
            store(&made, c * plane + i, grey);
    }
    auxo__image_deinit(image);
    *image = made;
    return AUXO_OK;
}

/* The weights of a triangle at the places [first, last], all within it. */
static double weight_of_run(long first, long last, double at, double support)
{
    if (first > last)
        return 0;
    const long peak = (long)floor(at);
    if (first <= peak && peak < last)
        return weight_of_run(first, peak, at, support) + weight_of_run(peak + 1, last, at, support);
    const double middle = 0.5 * ((double)first + (double)last);
    return (double)(last - first + 1) * (1 - fabs(middle - at) / support);
}

/* Samples position `at` of `count` values, `stride` apart, with a triangle of half width `support`; beyond the ends
 * their values go on. Long ways out there are taken at once: a picture of one column may shrink a thousandfold. */
static float sample(const float *values, size_t count, size_t stride, double at, double support)
{
    enum { LONG_WAY = 64 };
    const long end = (long)count;
    long first = (long)ceil(at - support), last = (long)floor(at + support);
    double sum = 0, weights = 0;
    if (first < -LONG_WAY) {
        const long to = last < 0 ? last : -1;
        weights += weight_of_run(first, to, at, support);
        sum += weights * (double)values[0];
        first = to + 1;
    }
    if (last > end + LONG_WAY && first <= last) {
        const long from = first > end ? first : end;
        const double weight = weight_of_run(from, last, at, support);
        weights += weight;
        sum += weight * (double)values[(count - 1) * stride];
        last = from - 1;
    }
    for (long i = first; i <= last; i++) {
        size_t inside = i < 0 ? 0 : i < end ? (size_t)i : count - 1;
        double weight = 1 - fabs((double)i - at) / support;
        if (weight <= 0)
            continue;
        sum += weight * (double)values[inside * stride];
        weights += weight;
    }
    return (float)(sum / weights);
}

/* Where an image lands in its new frame: out pixel = (in pixel + 0.5) * scale + shift. */
typedef struct placement {
    double scale_y, scale_x, shift_y, shift_x;
} placement;

static placement place(const auxo_picture_rule *rule, const auxo__image *image)
{
    placement at = {(double)rule->height / image->height, (double)rule->width / image->width, 0, 0};
    if (rule->fit == AUXO_FIT_STRETCH)
        return at;
    double scale = rule->fit == AUXO_FIT_CROP ? fmax(at.scale_y, at.scale_x) : fmin(at.scale_y, at.scale_x);
    return (placement){scale, scale, 0.5 * (rule->height - scale * image->height),
                       0.5 * (rule->width - scale * image->width)};
}

static double padding_value(const auxo_picture_rule *rule, const auxo__image *image, uint32_t channel)
{
    const uint8_t *p = rule->padding;
    double value = image->channels == 3 ? p[channel] : 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    return image->deep ? 257 * value : value;
}

/* One plane through both passes; `work` has room for in height x out width and for in height x in width. */
static void resample_plane(const auxo__image *from, uint32_t channel, const auxo_picture_rule *rule,
                           const placement *at, float *work, auxo__image *to)
{
    size_t height = from->height, width = from->width, plane = height * width;
    float *whole = work, *narrow = work + plane;
    double support_x = fmax(1, 1 / at->scale_x), support_y = fmax(1, 1 / at->scale_y);
    double pad = padding_value(rule, from, channel);
    for (size_t i = 0; i < plane; i++)
        whole[i] = (float)value_at(from, channel * plane + i);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < rule->width; x++)
            narrow[y * rule->width + x] =
                sample(whole + y * width, width, 1, ((double)x + 0.5 - at->shift_x) / at->scale_x - 0.5, support_x);
    for (size_t y = 0; y < rule->height; y++)
        for (size_t x = 0; x < rule->width; x++) {
            double in_y = ((double)y + 0.5 - at->shift_y) / at->scale_y,
                   in_x = ((double)x + 0.5 - at->shift_x) / at->scale_x;
            bool outside = in_y < 0 || in_y > (double)height || in_x < 0 || in_x > (double)width;
            double value = outside ? pad : (double)sample(narrow + x, height, rule->width, in_y - 0.5, support_y);
            store(to, ((size_t)channel * rule->height + y) * rule->width + x, value);
        }
}

static auxo_status change_size(const char *path, const auxo_picture_rule *rule, auxo__image *image, auxo_error *error)
{
    if (rule->height == 0 || (rule->height == image->height && rule->width == image->width))
        return AUXO_OK;
    auxo__image made;
    auxo_status status = make_like(path, image, image->channels, rule->height, rule->width, &made, error);
    if (status != AUXO_OK)
        return status;
    float *work = calloc((size_t)image->height * ((size_t)image->width + rule->width), sizeof *work);
    if (!work) {
        auxo__image_deinit(&made);
        return auxo__image_no_memory(path, error);
    }
    const placement at = place(rule, image);
    for (uint32_t channel = 0; channel < image->channels; channel++)
        resample_plane(image, channel, rule, &at, work, &made);
    free(work);
    auxo__image_deinit(image);
    *image = made;
    return AUXO_OK;
}

auxo_status auxo__image_apply(const char *path, const auxo_picture_rule *rule, auxo__image *image, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (rule->colour != AUXO_COLOUR_AS_IS)
        status = change_colour(path, rule->colour == AUXO_COLOUR_RGB ? 3 : 1, image, error);
    return status == AUXO_OK ? change_size(path, rule, image, error) : status;
}
