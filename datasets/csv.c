/* csv.c: cuts CSV text (RFC 4180) into cells, a row at a time.
 *
 * Fields may be quoted, with "" for a quote, and may then hold delimiters and line ends. Lines end in LF or CRLF. Blank
 * lines and comments are skipped; blanks around unquoted fields are no part of them. Quotes in the middle of a field
 * and zero bytes are refused with line and column. A row is cut where it lies in the buffer; when the buffer ends
 * within it, more is read and the row is cut again.
 */
#include "csv.h"

#include "bytes.h"
#include "word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20 };

/* ---- the buffer -------------------------------------------------------------------------------------------------- */

static auxo_status check_zero(const auxo__csv *csv, const char *text, size_t size, auxo_error *error)
{
    const char *zero = size ? memchr(text, 0, size) : NULL;
    if (!zero)
        return AUXO_OK;
    const unsigned char *first = (const unsigned char *)csv->buffer;
    bool utf16 = csv->offset == 0 && csv->end >= 2 &&
                 ((first[0] == 0xff && first[1] == 0xfe) || (first[0] == 0xfe && first[1] == 0xff));
    return auxo_error_set(error, AUXO_FORMAT, "%s: a zero byte at offset %llu: %s", csv->path,
                          (unsigned long long)(csv->offset + (uint64_t)(zero - csv->buffer)),
                          utf16 ? "this is UTF-16 text; save it as UTF-8" : "not a text file");
}

/* Moves what is left to the front and reads more behind it. */
static auxo_status refill(auxo__csv *csv, auxo_error *error)
{
    memmove(csv->buffer, csv->buffer + csv->begin, csv->end - csv->begin);
    csv->offset += csv->begin;
    csv->end -= csv->begin;
    csv->begin = 0;
    if (csv->capacity - csv->end < CHUNK_BYTES) {
        size_t capacity = 2 * csv->capacity;
        char *buffer = realloc(csv->buffer, capacity);
        if (!buffer)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for a row of %zu bytes", csv->path,
                                  csv->end);
        csv->buffer = buffer;
        csv->capacity = capacity;
    }
    size_t count = fread(csv->buffer + csv->end, 1, csv->capacity - csv->end, csv->file);
    if (ferror(csv->file))
        return auxo_error_set(error, AUXO_IO, "%s: %s", csv->path, strerror(errno));
    csv->ended = count == 0;
    csv->end += count;
    return check_zero(csv, csv->buffer + csv->end - count, count, error);
}

/* Passes over Excel's first line "sep=C", which says the delimiter. */
static void skip_separator_line(auxo__csv *csv)
{
    const char *at = csv->buffer + csv->begin, *end = csv->buffer + csv->end;
    if (end - at < 6 || memcmp(at, "sep=", 4) != 0 || at[4] == '\n' || at[4] == '\r')
        return;
    const char *next = at + 5 + (at[5] == '\r');
    if (next < end && *next == '\n') {
        csv->said_delimiter = at[4];
        csv->begin = (size_t)(next + 1 - csv->buffer);
        csv->line++;
    }
}

static auxo_status begin_text(auxo__csv *csv, auxo_error *error)
{
    csv->line = 1;
    csv->begin = 0;
    if (csv->file) {
        csv->end = 0;
        csv->offset = 0;
        csv->ended = false;
        auxo_status status = refill(csv, error);
        if (status != AUXO_OK)
            return status;
    }
    if (csv->end >= 3 && memcmp(csv->buffer, "\xef\xbb\xbf", 3) == 0)
        csv->begin = 3; /* byte order mark */
    skip_separator_line(csv);
    return AUXO_OK;
}

auxo_status auxo__csv_rewind(auxo__csv *csv, auxo_error *error)
{
    if (csv->file && fseek(csv->file, 0, SEEK_SET) != 0)
        return auxo_error_set(error, AUXO_IO, "%s: %s", csv->path, strerror(errno));
    return begin_text(csv, error);
}

static auxo_status open_file(const char *path, auxo__csv *csv, auxo_error *error)
{
    bool packed = false;
    auxo_status status = auxo__bytes_open(path, &csv->file, &packed, error);
    if (status != AUXO_OK)
        return status;
    if (packed) {
        uint8_t *bytes = NULL;
        fclose(csv->file);
        csv->file = NULL;
        status = auxo__bytes_read(path, &bytes, &csv->end, error);
        csv->buffer = (char *)bytes;
        csv->ended = true;
        return status == AUXO_OK ? check_zero(csv, csv->buffer, csv->end, error) : status;
    }
    csv->capacity = 2 * CHUNK_BYTES;
    csv->buffer = calloc(csv->capacity, 1);
    return csv->buffer ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to read it", path);
}

static auxo_status start(auxo__csv *csv, const auxo_table_format *format, auxo_error *error)
{
    csv->delimiter = format->delimiter;
    csv->comment = format->comment;
    auxo_status status = begin_text(csv, error);
    if (!csv->delimiter)
        csv->delimiter = csv->said_delimiter;
    return status == AUXO_OK && !csv->delimiter ? auxo__csv_detect_delimiter(csv, error) : status;
}

auxo_status auxo__csv_open(const char *path, const auxo_table_format *format, auxo__csv *csv, auxo_error *error)
{
    *csv = (auxo__csv){.path = path};
    auxo_status status = open_file(path, csv, error);
    if (status == AUXO_OK)
        status = start(csv, format, error);
    if (status != AUXO_OK)
        auxo__csv_close(csv);
    return status;
}

auxo_status auxo__csv_open_text(const char *path, char *text, size_t size, const auxo_table_format *format,
                                auxo__csv *csv, auxo_error *error)
{
    *csv = (auxo__csv){.path = path, .end = size, .ended = true};
    csv->buffer = malloc(size + 1);
    if (!csv->buffer)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to read it", path);
    memcpy(csv->buffer, text, size);
    auxo_status status = check_zero(csv, csv->buffer, size, error);
    if (status == AUXO_OK)
        status = start(csv, format, error);
    if (status != AUXO_OK)
        auxo__csv_close(csv);
    return status;
}

void auxo__csv_close(auxo__csv *csv)
{
    if (csv->file)
        fclose(csv->file);
    free(csv->buffer);
    free(csv->cells);
    free(csv->scratch);
    *csv = (auxo__csv){0};
}

/* ---- cutting ----------------------------------------------------------------------------------------------------- */

/* What cutting a row came to. */
typedef enum cut_result { CUT_DONE, CUT_NEEDS_MORE, CUT_FAILED } cut_result;

/* A row being cut: at walks from buffer[begin] to its end; lines counts line ends within quotes. */
typedef struct cutter {
    auxo__csv *csv;
    char *at, *end;
    uint32_t lines;
    auxo_error *error;
    auxo_status status;
} cutter;

static cut_result failed(cutter *cut, const char *what)
{
    cut->status = auxo_error_set(cut->error, AUXO_FORMAT, "%s:%u: column %zu: %s", cut->csv->path,
                                 cut->csv->line + cut->lines, cut->csv->cell_count + 1, what);
    return CUT_FAILED;
}

static bool grow_cells(cutter *cut)
{
    auxo__csv *csv = cut->csv;
    if (csv->cell_count == csv->cell_capacity) {
        size_t capacity = csv->cell_capacity ? 2 * csv->cell_capacity : 64;
        auxo__cell *cells = realloc(csv->cells, capacity * sizeof *cells);
        if (!cells) {
            cut->status = auxo_error_set(cut->error, AUXO_OUT_OF_MEMORY, "%s: no memory for a row", csv->path);
            return false;
        }
        csv->cells = cells;
        csv->cell_capacity = capacity;
    }
    return true;
}

static inline bool add_cell(cutter *cut, const char *text, size_t length)
{
    auxo__csv *csv = cut->csv;
    if (csv->cell_count == csv->cell_capacity && !grow_cells(cut))
        return false;
    csv->cells[csv->cell_count++] = (auxo__cell){text, length};
    return true;
}

/* Copies a field without the second of each pair of quotes; the scratch never moves within a row. */
static const char *unescape(cutter *cut, const char *text, size_t *length)
{
    auxo__csv *csv = cut->csv;
    size_t needed = csv->end - csv->begin;
    if (csv->scratch_used == 0 && csv->scratch_capacity < needed) {
        free(csv->scratch);
        csv->scratch = malloc(needed);
        csv->scratch_capacity = csv->scratch ? needed : 0;
    }
    if (!csv->scratch) {
        cut->status = auxo_error_set(cut->error, AUXO_OUT_OF_MEMORY, "%s: no memory for a row", csv->path);
        return NULL;
    }
    char *begin = csv->scratch + csv->scratch_used, *to = begin;
    for (const char *from = text; from < text + *length; from++) {
        *to++ = *from;
        from += *from == '"';
    }
    *length = (size_t)(to - begin);
    csv->scratch_used += *length;
    return begin;
}

/* A field after its opening quote; `at` stands behind the closing one afterwards. */
static cut_result cut_quoted(cutter *cut)
{
    const uint32_t first_line = cut->lines;
    char *begin = cut->at, *at = begin;
    bool escaped = false;
    for (;; at++) {
        if (at == cut->end || (*at == '"' && at + 1 == cut->end && !cut->csv->ended)) {
            if (!cut->csv->ended)
                return CUT_NEEDS_MORE;
            cut->lines = first_line;
            return failed(cut, "the quoted field never ends");
        }
        cut->lines += *at == '\n';
        if (*at != '"')
            continue;
        if (at + 1 == cut->end || at[1] != '"')
            break;
        escaped = true;
        at++;
    }
    size_t length = (size_t)(at - begin);
    const char *text = escaped ? unescape(cut, begin, &length) : begin;
    if (!text || !add_cell(cut, text, length))
        return CUT_FAILED;
    cut->at = at + 1;
    while (cut->at < cut->end && *cut->at == ' ' && cut->csv->delimiter != ' ')
        cut->at++;
    return CUT_DONE;
}

/* The first delimiter, line end or quote at or after `at`; else the end. */
static inline char *find_end(char *at, char *end, char delimiter)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    for (; (size_t)(end - at) >= sizeof word; at += sizeof word) {
        memcpy(&word, at, sizeof word);
        const uint64_t marks =
            auxo__word_mark(word, delimiter) | auxo__word_mark(word, '\n') | auxo__word_mark(word, '"');
        if (marks) /* the lowest mark of each is right, and so is the lowest of all */
            return at + __builtin_ctzll(marks) / 8;
    }
#endif
    while (at < end && *at != '\n' && *at != '"' && *at != delimiter)
        at++;
    return at;
}

/* The same where fields stand apart by spaces or tabs. */
static char *find_blank(char *at, char *end)
{
    while (at < end && *at != '\n' && *at != '"' && *at != ' ' && *at != '\t')
        at++;
    return at;
}

static inline bool is_delimiter(const auxo__csv *csv, char letter)
{
    return letter == csv->delimiter || (letter == '\t' && csv->delimiter == ' ');
}

static cut_result cut_plain(cutter *cut)
{
    const char delimiter = cut->csv->delimiter;
    char *begin = cut->at;
    char *at = delimiter == ' ' ? find_blank(begin, cut->end) : find_end(begin, cut->end, delimiter);
    if (at == cut->end && !cut->csv->ended)
        return CUT_NEEDS_MORE;
    if (at < cut->end && *at == '"')
        return failed(cut, "a quote inside an unquoted field");
    char *end = at;
    if (end > begin && end[-1] == '\r' && (at == cut->end || *at == '\n'))
        end--;
    while (end > begin && end[-1] == ' ')
        end--;
    cut->at = at;
    return add_cell(cut, begin, (size_t)(end - begin)) ? CUT_DONE : CUT_FAILED;
}

static bool at_line_end(const cutter *cut)
{
    const char *at = cut->at;
    at += at < cut->end && *at == '\r' && (at + 1 == cut->end || at[1] == '\n');
    return at == cut->end || *at == '\n';
}

/* Steps over the line's end; *next receives where the following line begins. */
static cut_result end_row(cutter *cut, char **next)
{
    cut->at += cut->at < cut->end && *cut->at == '\r';
    cut->lines += cut->at < cut->end;
    *next = cut->at + (cut->at < cut->end);
    return CUT_DONE;
}

/* Cuts the row at buffer[begin]; *next receives where the following one begins. */
static cut_result cut_row(cutter *cut, char **next)
{
    const bool spaced = cut->csv->delimiter == ' ';
    for (;;) {
        while (cut->at < cut->end && (*cut->at == ' ' || (spaced && *cut->at == '\t')))
            cut->at++;
        if (spaced && cut->csv->cell_count > 0) { /* spaces before the line's end */
            if (cut->at + 1 >= cut->end && !cut->csv->ended)
                return CUT_NEEDS_MORE;
            if (at_line_end(cut))
                return end_row(cut, next);
        }
        bool quoted = cut->at < cut->end && *cut->at == '"';
        cut->at += quoted;
        cut_result result = quoted ? cut_quoted(cut) : cut_plain(cut);
        if (result != CUT_DONE)
            return result;
        if (cut->at == cut->end && !cut->csv->ended)
            return CUT_NEEDS_MORE;
        if (cut->at < cut->end && is_delimiter(cut->csv, *cut->at)) {
            cut->at++;
            continue;
        }
        if (cut->at + 1 == cut->end && *cut->at == '\r' && !cut->csv->ended)
            return CUT_NEEDS_MORE;
        if (!at_line_end(cut)) {
            cut->csv->cell_count--;
            return failed(cut, "text after the closing quote");
        }
        return end_row(cut, next);
    }
}

/* Passes over a blank line or comment at buffer[begin]. */
static cut_result skip_line(auxo__csv *csv, bool *skipped)
{
    char *begin = csv->buffer + csv->begin, *end = csv->buffer + csv->end, *at = begin;
    *skipped = false;
    if (at < end && csv->comment && *at == csv->comment)
        at = memchr(at, '\n', (size_t)(end - at));
    else
        while (at < end && (*at == ' ' || *at == '\r'))
            at++;
    if (!at || at == end) {
        if (!csv->ended)
            return CUT_NEEDS_MORE;
        csv->begin = csv->end;
        return CUT_DONE;
    }
    if (*at != '\n')
        return CUT_DONE;
    csv->begin = (size_t)(at + 1 - csv->buffer);
    csv->line++;
    *skipped = true;
    return CUT_DONE;
}

auxo_status auxo__csv_next(auxo__csv *csv, bool *ended, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    *ended = false;
    for (;;) {
        bool skipped = false;
        cut_result result = skip_line(csv, &skipped);
        if (result == CUT_DONE && skipped)
            continue;
        if (result == CUT_DONE && csv->begin == csv->end && csv->ended) {
            *ended = true;
            return AUXO_OK;
        }
        if (result == CUT_DONE) {
            char *next = NULL;
            cutter cut = {csv, csv->buffer + csv->begin, csv->buffer + csv->end, 0, error, AUXO_OK};
            csv->cell_count = csv->scratch_used = 0;
            result = cut_row(&cut, &next);
            if (result == CUT_FAILED)
                return cut.status;
            if (result == CUT_DONE) {
                csv->row_line = csv->line;
                csv->line += cut.lines;
                csv->begin = (size_t)(next - csv->buffer);
                return AUXO_OK;
            }
        }
        status = refill(csv, error);
        if (status != AUXO_OK)
            return status;
    }
}

/* How many fields of [begin, end) stand apart by spaces, up to the end of the line. */
static size_t count_spaced(const char *begin, const char *end)
{
    size_t count = 0;
    bool quoted = false, inside = false;
    for (const char *at = begin; at < end && (quoted || *at != '\n'); at++) {
        quoted = quoted != (*at == '"');
        const bool blank = !quoted && (*at == ' ' || *at == '\r');
        count += !blank && !inside;
        inside = !blank;
    }
    return count;
}

/* Whether the first line, and the next, consist of the same number of fields with spaces between them. */
static bool is_spaced(const char *line, const char *line_end, const char *end)
{
    const size_t count = count_spaced(line, line_end);
    return count > 1 && line_end + 1 < end && count_spaced(line_end + 1, end) == count;
}

auxo_status auxo__csv_detect_delimiter(auxo__csv *csv, auxo_error *error)
{
    static const char candidates[] = {',', ';', '\t', '|'};
    size_t counts[sizeof candidates] = {0}, best = 0;
    bool skipped = true;
    csv->delimiter = ',';
    while (skipped) {
        cut_result result = skip_line(csv, &skipped);
        if (result == CUT_NEEDS_MORE) {
            auxo_status status = refill(csv, error);
            if (status != AUXO_OK)
                return status;
            skipped = true;
        }
    }
    bool quoted = false;
    size_t at = csv->begin;
    for (; at < csv->end && (quoted || csv->buffer[at] != '\n'); at++) {
        quoted = quoted != (csv->buffer[at] == '"');
        for (size_t i = 0; i < sizeof candidates && !quoted; i++)
            counts[i] += csv->buffer[at] == candidates[i];
    }
    for (size_t i = 1; i < sizeof candidates; i++)
        best = counts[i] > counts[best] ? i : best;
    if (counts[best] == 0 && is_spaced(csv->buffer + csv->begin, csv->buffer + at, csv->buffer + csv->end)) {
        csv->delimiter = ' ';
        return auxo__csv_rewind(csv, error);
    }
    csv->delimiter = candidates[best];
    return auxo__csv_rewind(csv, error);
}
