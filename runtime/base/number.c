/* number.c: numbers as text in the C locale. Implements number.h.
 *
 * The C locale object is a constant of the C library: making and freeing it costs nothing, so none is kept. Short
 * decimals take a way of their own that is exact: an integer of at most 53 bits times or over a power of ten up to
 * 10^22 is one correctly rounded operation. Where long double has 64 bits, so is one of at most 64 bits and 10^27, and
 * rounding that to double is right wherever it does not lie half-way between two. Numbers of up to 8 digits, which most
 * tables are made of, are read as one word.
 */
#include "number.h"
#include "word.h"

#include <float.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

auxo__number_scope auxo__number_scope_enter(void)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return (auxo__number_scope){plain ? uselocale(plain) : NULL};
}

void auxo__number_scope_leave(auxo__number_scope scope)
{
    if (!scope.previous)
        return;
    locale_t plain = uselocale(scope.previous);
    if (plain != LC_GLOBAL_LOCALE)
        freelocale(plain);
}

double auxo__text_to_double(const char *text, char **end)
{
    auxo__number_scope scope = auxo__number_scope_enter();
    double value = strtod(text, end);
    auxo__number_scope_leave(scope);
    return value;
}

int auxo__number_vprint(char *text, size_t size, const char *format, va_list arguments)
{
    auxo__number_scope scope = auxo__number_scope_enter();
    int length = vsnprintf(text, size, format, arguments);
    auxo__number_scope_leave(scope);
    return length;
}

int auxo__number_print(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = auxo__number_vprint(text, size, format, arguments);
    va_end(arguments);
    return length;
}

/* The parts of a decimal number. */
typedef struct decimal {
    uint64_t digits; /* of the first 19 significant digits */
    int digit_count; /* significant digits seen */
    int exponent;    /* value = digits * 10^exponent where digit_count <= 19 */
    bool negative;
} decimal;

enum { DIGITS_MAX = 19, EXPONENT_CAP = 100000 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void add_digit(decimal *number, char c, bool fraction)
{
    if (number->digit_count < DIGITS_MAX) {
        number->digits = number->digits * 10 + (uint64_t)(c - '0');
        number->exponent -= fraction;
    } else {
        number->exponent += !fraction;
    }
    number->digit_count += number->digit_count > 0 || c != '0';
}

/* [e[+-]digits] up to `end`; false for what is none. */
static bool read_exponent(const char *at, const char *end, decimal *number)
{
    if (at == end)
        return true;
    if (*at != 'e' && *at != 'E')
        return false;
    at++;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '+' || *at == '-');
    if (at == end)
        return false;
    int exponent = 0;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return false;
        exponent = exponent < EXPONENT_CAP ? exponent * 10 + (*at - '0') : exponent;
    }
    number->exponent += negative ? -exponent : exponent;
    return true;
}

static bool split_decimal(const char *text, size_t length, char point, decimal *number)
{
    const char *at = text, *end = text + length;
    number->negative = at < end && *at == '-';
    at += at < end && (*at == '+' || *at == '-');
    const char *first = at;
    size_t points = 0;
    if (end - at <= DIGITS_MAX) { /* as many digits at most: none can be too many */
        const char *fraction = end;
        uint64_t digits = 0;
        for (; at < end; at++) {
            const unsigned digit = (unsigned)(*at - '0');
            if (digit <= 9) {
                digits = digits * 10 + digit;
                continue;
            }
            if (*at != point || points > 0)
                break;
            points = 1;
            fraction = at + 1;
        }
        number->digits = digits;
        number->exponent = points ? -(int)(at - fraction) : 0;
        return (size_t)(at - first) > points && read_exponent(at, end, number);
    }
    for (; at < end; at++) {
        if (is_digit(*at))
            add_digit(number, *at, points > 0);
        else if (*at == point && points == 0)
            points = 1;
        else
            break;
    }
    return (size_t)(at - first) > points && read_exponent(at, end, number);
}

/* The slow way, for long numbers and large exponents: the C library's, on a copy with a point. */
static bool parse_long(const char *text, size_t length, char point, double *value)
{
    char small[128];
    char *copy = length < sizeof small ? small : malloc(length + 1);
    if (!copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *at = point != '.' ? memchr(copy, point, length) : NULL;
    if (at)
        *at = '.';
    char *end = NULL;
    *value = auxo__text_to_double(copy, &end);
    bool whole = end == copy + length;
    if (copy != small)
        free(copy);
    return whole;
}

/* 17 digits, as programs write doubles. False: some other way must be found. */
static bool parse_extended(const decimal *number, double *value)
{
#if LDBL_MANT_DIG == 64
    static const long double powers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                         1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                         1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    enum { DROPPED = (1 << (64 - DBL_MANT_DIG)) - 1, HALF = 1 << (64 - DBL_MANT_DIG - 1) };
    if (number->digits == 0 || number->digit_count > DIGITS_MAX || number->exponent < -27 || number->exponent > 27)
        return false;
    const long double digits = (long double)number->digits;
    const long double found =
        number->exponent < 0 ? digits / powers[-number->exponent] : digits * powers[number->exponent];
    uint64_t mantissa;
    memcpy(&mantissa, &found, sizeof mantissa); /* x86 keeps it in the low 8 bytes */
    if ((mantissa & DROPPED) >= HALF - 1 && (mantissa & DROPPED) <= HALF + 1)
        return false;
    *value = number->negative ? -(double)found : (double)found;
    return true;
#else
    (void)number;
    (void)value;
    return false;
#endif
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { WORD_BYTES = 8 };

/* The bytes text[0, length), the first one lowest; 1 <= length <= 8. Nothing beyond them is read. */
static inline uint64_t load_word(const char *text, size_t length)
{
    uint32_t low, high;
    uint64_t word = 0;
    if (length == WORD_BYTES) {
        memcpy(&word, text, sizeof word);
    } else if (length >= sizeof low) { /* the two halves overlap */
        memcpy(&low, text, sizeof low);
        memcpy(&high, text + length - sizeof high, sizeof high);
        word = (uint64_t)low | (uint64_t)high << 8 * (length - sizeof high);
    } else {
        for (size_t i = 0; i < length; i++)
            word |= (uint64_t)(unsigned char)text[i] << 8 * i;
    }
    return word;
}

/* [digits][.digits] of at most 8 bytes, without branches on what the bytes are. False: it is not that. */
static inline bool parse_word(const char *text, size_t length, char point, uint64_t *digits, unsigned *decimals)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101), zeros = UINT64_C(0x3030303030303030),
                          tops = UINT64_C(0xF0F0F0F0F0F0F0F0);
    uint64_t word = load_word(text, length);
    /* Absent bytes of the word are no points. */
    const uint64_t found = auxo__word_mark(word, point);
    *decimals = 0;
    if (found) {
        const unsigned place = (unsigned)__builtin_ctzll(found) / 8;
        const uint64_t before = (UINT64_C(1) << 8 * place) - 1;
        word = (word & before) | (word >> 8 & ~before);
        *decimals = (unsigned)(--length) - place;
    }
    if (length == 0)
        return false;
    /* The last digit highest, zeros before the first one. */
    if (length < WORD_BYTES)
        word = word << 8 * (WORD_BYTES - length) | zeros >> 8 * length;
    if (((word & tops) ^ zeros) | (((word + ones * 6) & tops) ^ zeros))
        return false;
    /* Neighbours come together: digits to pairs, to fours, to eight. */
    word = (word & ones * 15) * (10 * 256 + 1) >> 8;
    word = (word & UINT64_C(0x00FF00FF00FF00FF)) * (100 * 65536 + 1) >> 16;
    *digits = (word & UINT64_C(0x0000FFFF0000FFFF)) * (10000 * UINT64_C(4294967296) + 1) >> 32;
    return true;
}

static inline bool parse_short(const char *text, size_t length, char point, double *value)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    const bool negative = length > 0 && *text == '-', sign = negative || (length > 0 && *text == '+');
    uint64_t digits = 0;
    unsigned decimals = 0;
    text += sign;
    length -= sign;
    if (length - 1 >= WORD_BYTES || !parse_word(text, length, point, &digits, &decimals))
        return false;
    const double found = (double)digits / powers[decimals];
    *value = negative ? -found : found;
    return true;
}
#else
static inline bool parse_short(const char *text, size_t length, char point, double *value)
{
    (void)text;
    (void)length;
    (void)point;
    (void)value;
    return false;
}
#endif

bool auxo__decimal_parse(const char *text, size_t length, char point, double *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    decimal number = {0};
    if (parse_short(text, length, point, value))
        return true;
    if (!split_decimal(text, length, point, &number))
        return false;
    if (number.digits > UINT64_C(1) << 53 || number.digit_count > DIGITS_MAX || number.exponent < -22 ||
        number.exponent > 22)
        return parse_extended(&number, value) || parse_long(text, length, point, value);
    double digits = (double)number.digits;
    digits = number.exponent < 0 ? digits / powers[-number.exponent] : digits * powers[number.exponent];
    *value = number.negative ? -digits : digits;
    return true;
}
