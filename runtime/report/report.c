/* runtime/report/report.c: the life of a report: its page, sections, paragraphs and tables; writing the file. Figures
 * are drawn in the other files of this folder. */
#include "number.h"
#include "report_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, CELLS_MAX = 64 };

/* Palette: Okabe and Ito's, which stays distinct for colour-blind readers; darker or lighter with the page. */
static const char style[] =
    "<style>\n"
    ":root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--faint:#6b7280;--line:#d5d9df;--shade:#f3f4f6;"
    "--c1:#0072b2;--c2:#d55e00;--c3:#009e73;--c4:#b5498f;--c5:#b8860b;--c6:#3a9bd9;--c7:#7a5195;--c8:#555b63}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#14171b;--ink:#e6e8eb;--faint:#9aa3ad;--line:#353b43;"
    "--shade:#1e2329;--c1:#4aa8e0;--c2:#f28a3c;--c3:#3ccb9f;--c4:#e08cc2;--c5:#e3bd45;--c6:#8fd0f7;--c7:#b59ad6;"
    "--c8:#a9b1ba}}\n"
    "body{margin:2rem auto;max-width:60rem;padding:0 1rem;background:var(--page);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.5rem;border-bottom:1px solid var(--line)}\n"
    "h3{font-size:1rem;margin:0 0 .25rem}nav ul{columns:2;padding-left:1.2rem}a{color:var(--c1)}\n"
    "pre{background:var(--shade);padding:.75rem;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}\n"
    "table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}\n"
    "th,td{padding:.25rem .75rem;border-bottom:1px solid var(--line);text-align:left}\n"
    "th{color:var(--faint);font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    "figure{margin:1.5rem 0}figcaption,.legend{color:var(--faint);font-size:.85rem}\n"
    ".legend span{margin-right:1.2rem;white-space:nowrap}.legend i{display:inline-block;width:.9em;height:.9em;"
    "margin-right:.35em;vertical-align:-.1em;background:currentColor;border-radius:2px}\n"
    "svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--ink)}svg .faint{fill:var(--faint)}\n"
    ".grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--faint);stroke-width:1;fill:none}\n"
    ".rule{stroke:var(--faint);stroke-width:1;stroke-dasharray:5 3}.curve{fill:none;stroke:currentColor;"
    "stroke-width:1.6;stroke-linejoin:round}.dashed{stroke-dasharray:6 4}.dot,.bar{fill:currentColor}\n"
    ".band{fill:currentColor;opacity:.18;stroke:none}.whisker{stroke:currentColor;stroke-width:1.2}\n"
    ".box{fill:currentColor;fill-opacity:.25;stroke:currentColor}.skip{fill:none;stroke:var(--faint);"
    "stroke-width:1.2}\n"
    ".c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}.c5{color:var(--c5)}"
    ".c6{color:var(--c6)}.c7{color:var(--c7)}.c8{color:var(--c8)}\n"
    "@media(max-width:37rem){figure{overflow-x:auto}figure svg{min-width:36rem;font-size:12.5px}"
    "th,td{padding:.25rem .4rem}table{font-size:.9rem}.n{white-space:nowrap}"
    "p,td:not(.n){overflow-wrap:anywhere}td:not(.n){min-width:8.5rem}}\n"
    "@media print{body{max-width:none;margin:0}figure,tr,h2,h3{break-inside:avoid}h2,h3{break-after:avoid}"
    "table{display:table;font-size:.8rem}th,td{padding:.15rem .4rem}}\n"
    "</style>\n";

auxo_status auxo_report_create(const char *title, auxo_report **report, auxo_error *error)
{
    auxo_report *created = calloc(1, sizeof *created);
    size_t size = strlen(title) + 1;
    char *copy = malloc(size);
    if (!created || !copy) {
        free(created);
        free(copy);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for a report");
    }
    memcpy(copy, title, size);
    created->title = copy;
    *report = created;
    return AUXO_OK;
}

void auxo_report_destroy(auxo_report *report)
{
    if (!report)
        return;
    free(report->title);
    free(report->body.text);
    free(report->contents.text);
    free(report);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

void auxo_report_section(auxo_report *report, const char *heading)
{
    report->section_count++;
    auxo__markup_add(&report->contents, "<li><a href=\"#s%u\">", report->section_count);
    auxo__markup_escaped(&report->contents, heading);
    auxo__markup_add(&report->contents, "</a></li>\n");
    auxo__markup_add(&report->body, "<h2 id=\"s%u\">", report->section_count);
    auxo__markup_escaped(&report->body, heading);
    auxo__markup_add(&report->body, "</h2>\n");
}

void auxo_report_text(auxo_report *report, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    auxo__markup_add(&report->body, "<p>");
    auxo__markup_escaped(&report->body, text);
    auxo__markup_add(&report->body, "</p>\n");
}

void auxo_report_code(auxo_report *report, const char *text)
{
    auxo__markup_add(&report->body, "<pre>");
    auxo__markup_escaped(&report->body, text);
    auxo__markup_add(&report->body, "</pre>\n");
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* A sign, a digit or a point first: "-3.5", ".25", "12 %", "+0.1 s". */
static bool looks_like_number(const char *cell)
{
    if (*cell == '-' || *cell == '+')
        cell++;
    return isdigit((unsigned char)*cell) || (*cell == '.' && isdigit((unsigned char)cell[1]));
}

void auxo_report_table_begin(auxo_report *report, const char *const *headings, size_t column_count)
{
    report->table_columns = column_count;
    auxo__markup_add(&report->body, "<table>\n<tr>");
    for (size_t i = 0; i < column_count; i++) {
        auxo__markup_add(&report->body, "<th>");
        auxo__markup_escaped(&report->body, headings[i]);
        auxo__markup_add(&report->body, "</th>");
    }
    auxo__markup_add(&report->body, "</tr>\n");
}

void auxo_report_table_row(auxo_report *report, const char *const *cells)
{
    auxo__markup_add(&report->body, "<tr>");
    for (size_t i = 0; i < report->table_columns; i++) {
        const char *cell = cells[i] ? cells[i] : "";
        const bool undefined = strcmp(cell, "nan") == 0 || strcmp(cell, "-nan") == 0;
        auxo__markup_add(&report->body, undefined || looks_like_number(cell) ? "<td class=\"n\">" : "<td>");
        auxo__markup_escaped(&report->body, undefined ? "none" : cell);
        auxo__markup_add(&report->body, "</td>");
    }
    auxo__markup_add(&report->body, "</tr>\n");
}

/* What parts cells within a formatted row. Only the bars of the format itself become it: a name may hold a bar. */
static const char PART[] = "\x1f\x1e\x1f";

static char *part_format(const char *format)
{
    char *parted = malloc(strlen(format) * (sizeof PART - 1) + 1), *to = parted;
    for (; parted && *format; format++) {
        if (*format != '|') {
            *to++ = *format;
            continue;
        }
        memcpy(to, PART, sizeof PART - 1);
        to += sizeof PART - 1;
    }
    if (parted)
        *to = '\0';
    return parted;
}

void auxo_report_table_rowf(auxo_report *report, const char *format, ...)
{
    const char *cells[CELLS_MAX] = {0};
    va_list arguments;
    char *parted = part_format(format);
    va_start(arguments, format);
    int length = parted ? auxo__number_vprint(NULL, 0, parted, arguments) : -1;
    va_end(arguments);
    char *text = length >= 0 ? malloc((size_t)length + 1) : NULL;
    va_start(arguments, format);
    if (text)
        auxo__number_vprint(text, (size_t)length + 1, parted, arguments);
    va_end(arguments);
    free(parted);
    report->body.failed = report->body.failed || !text;
    char *at = text;
    for (size_t i = 0; i < CELLS_MAX && at; i++) {
        char *end = strstr(at, PART);
        cells[i] = at;
        if (end)
            *end = '\0';
        at = end ? end + sizeof PART - 1 : NULL;
    }
    auxo_report_table_row(report, cells);
    free(text);
}

void auxo_report_table_end(auxo_report *report)
{
    auxo__markup_add(&report->body, "</table>\n");
    report->table_columns = 0;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void build_page(const auxo_report *report, auxo__markup *page)
{
    auxo__markup_add(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
    auxo__markup_escaped(page, report->title);
    auxo__markup_add(page, "</title>\n%s</head>\n<body>\n<h1>", style);
    auxo__markup_escaped(page, report->title);
    auxo__markup_add(page, "</h1>\n");
    if (report->section_count > 1)
        auxo__markup_add(page, "<nav><ul>\n%s</ul></nav>\n", report->contents.text);
    auxo__markup_add(page, "%s</body>\n</html>\n", report->body.text ? report->body.text : "");
    page->failed = page->failed || report->body.failed || report->contents.failed;
}

static bool write_all(int file, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return true;
}

/* Writes and syncs a new file; removes what is left of it on failure. */
static auxo_status write_file(const char *temporary, const char *path, const auxo__markup *page, auxo_error *error)
{
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0)
        return auxo_error_set(error, AUXO_IO, "cannot create %s: %s", temporary, strerror(errno));
    bool written = write_all(file, page->text, page->length) && fsync(file) == 0;
    int reason = errno;
    if (close(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written && rename(temporary, path) == 0)
        return AUXO_OK;
    if (written)
        reason = errno;
    unlink(temporary);
    return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", path, strerror(reason));
}

auxo_status auxo_report_write(auxo_report *report, const char *path, auxo_error *error)
{
    auxo__markup page = {0};
    size_t size = strlen(path) + sizeof ".partial";
    char *temporary = malloc(size);
    auxo_status status = AUXO_OK;
    build_page(report, &page);
    if (!temporary || page.failed) {
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the report %s", path);
    } else {
        snprintf(temporary, size, "%s.partial", path);
        status = write_file(temporary, path, &page, error);
    }
    free(temporary);
    free(page.text);
    return status;
}

auxo_status auxo_report_html(const auxo_report *report, char **text, auxo_error *error)
{
    auxo__markup page = {0};
    build_page(report, &page);
    *text = page.failed ? NULL : page.text;
    if (*text)
        return AUXO_OK;
    free(page.text);
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for a report");
}
