#include "proxy/unit/web_page.h"

#include "lib/backend/backend.h"
#include "lib/base/markup.h"
#include "lib/http/url.h"
#include "proxy/params.h"
#include <string.h>
#include <strings.h>

static void escaped(struct buf *out, const char *text, size_t len)
{
	markup_escape(out, text, len, "&<>\"'");
}

static void escape(struct buf *out, const char *text)
{
	escaped(out, text, strlen(text));
}

/* Dots, too: a name of dots alone is no way up. */
static void link_to(struct buf *out, const char *name)
{
	AUTO(buf) struct buf quoted = BUF_NONE;

	url_quote(&quoted, name, "");
	for (const char *p = buf_text(&quoted); *p; p++) {
		if (*p == '.')
			buf_str(out, "%2E");
		else
			buf_char(out, *p);
	}
}

static void css_path(const struct web_page *page, struct buf *out)
{
	const char *css = page->css;
	bool absolute =
	        *css == '/' || strncmp(css, "http://", 7) == 0 || strncmp(css, "https://", 8) == 0;

	for (const char *p = page->prefix; !absolute && p && *p; p++) {
		if (*p == '/')
			buf_str(out, "../");
	}
	url_quote(out, css, absolute ? ":" : "");
}

static void head(
        const struct web_page *page, const char *indent, const char *style, struct buf *out)
{
	buf_printf(out, "<!DOCTYPE html>\n<html>\n%s<head>\n%s<title>Listing of ", indent,
	        *indent ? "  " : "");
	escape(out, page->label);
	buf_str(out, "</title>\n");
	if (page->css && *page->css) {
		buf_str(out, "  <link rel=\"stylesheet\" type=\"text/css\" href=\"");
		css_path(page, out);
		buf_str(out, "\" />\n");
	} else {
		buf_printf(out, "  <style type=\"text/css\">\n%s  </style>\n", style);
	}
	buf_printf(out, "%s</head>\n", indent);
}

void web_page_disabled(const struct web_page *page, struct buf *out)
{
	head(page, "", "   h1 {font-size: 1em; font-weight: bold;}\n   p {font-size: 2}\n", out);
	buf_str(out,
	        "<body>  <h1>Web Listing Disabled</h1>   <p>The owner of this web site has "
	        "disabled "
	        "web listing.   <p>If you are the owner of this web site, you can enable   web "
	        "listing by setting X-Container-Meta-Web-Listings.</p>");
	if (page->index && *page->index) {
		buf_str(out, "<h1>Index File Not Found</h1> <p>The owner of this web site has set  "
		             "<b>X-Container-Meta-Web-Index: ");
		escape(out, page->index);
		buf_str(out, "</b>.  However, this file is not found.</p>");
	}
	buf_str(out, " </body>\n</html>\n");
}

void web_page_size(uint64_t bytes, struct buf *out)
{
	static const char units[] = "KMGTPE";
	int unit = -1;

	while (bytes >= 1024) {
		uint64_t rest = bytes % 1024;
		bytes /= 1024;
		bytes += rest > 512 || (rest == 512 && (bytes & 1)); /* as Python rounds */
		unit++;
	}
	buf_u64(out, bytes);
	if (unit >= 0)
		buf_printf(out, "%ci", units[unit]);
}

static void add_subdir(const struct web_page *page, const char *name, struct buf *out)
{
	buf_str(out, "   <tr class=\"item subdir\">\n    <td class=\"colname\"><a href=\"./");
	link_to(out, name);
	buf_printf(out, "%s\">", page->query);
	escape(out, name);
	buf_str(out, "</a></td>\n    <td class=\"colsize\">&nbsp;</td>\n"
	             "    <td class=\"coldate\">&nbsp;</td>\n   </tr>\n");
}

/* "text/plain" -> "type-text type-plain" */
static void add_classes(const char *type, struct buf *out)
{
	while (type) {
		size_t len = strcspn(type, "/");
		AUTO(buf) struct buf lower = BUF_NONE;
		for (size_t i = 0; i < len; i++)
			buf_char(&lower,
			        (char)(type[i] >= 'A' && type[i] <= 'Z' ? type[i] + 32 : type[i]));
		buf_str(out, " type-");
		escape(out, buf_text(&lower));
		type = type[len] ? type + len + 1 : NULL;
	}
}

static void add_object(const struct web_page *page, const struct backend_row *row, const char *name,
        struct buf *out)
{
	uint64_t bytes = row->bytes;
	AUTO(buf) struct buf type = BUF_NONE;
	char date[ISO_DATE_SIZE];

	buf_str(&type, row->content_type);
	if (params_swift_bytes(row->content_type, &bytes)) {
		buf_reset(&type);
		params_without(row->content_type, "swift_bytes", &type);
	}
	iso_date_format(row->meta_ts > row->ts ? row->meta_ts : row->ts, date);
	date[10] = ' ';
	buf_str(out, "   <tr class=\"item");
	add_classes(buf_text(&type), out);
	buf_str(out, "\">\n    <td class=\"colname\"><a href=\"./");
	link_to(out, name);
	buf_printf(out, "%s\">", page->query);
	escape(out, name);
	buf_str(out, "</a></td>\n    <td class=\"colsize\">");
	web_page_size(bytes, out);
	buf_printf(out, "</td>\n    <td class=\"coldate\">%.19s</td>\n   </tr>\n", date);
}

void web_page_listing(const struct web_page *page, const struct buf *rows, struct buf *out)
{
	size_t skip = page->prefix ? strlen(page->prefix) : 0;
	struct backend_row row;

	head(page, " ",
	        "   h1 {font-size: 1em; font-weight: bold;}\n"
	        "   th {text-align: left; padding: 0px 1em 0px 1em;}\n"
	        "   td {padding: 0px 1em 0px 1em;}\n   a {text-decoration: none;}\n",
	        out);
	buf_str(out, " <body>\n  <h1 id=\"title\">Listing of ");
	escape(out, page->label);
	buf_str(out, "</h1>\n  <table id=\"listing\">\n   <tr id=\"heading\">\n"
	             "    <th class=\"colname\">Name</th>\n    <th class=\"colsize\">Size</th>\n"
	             "    <th class=\"coldate\">Date</th>\n   </tr>\n");
	if (page->has_parent)
		buf_printf(out,
		        "   <tr id=\"parent\" class=\"item\">\n    <td class=\"colname\"><a "
		        "href=\"../%s\">../</a></td>\n    <td class=\"colsize\">&nbsp;</td>\n"
		        "    <td class=\"coldate\">&nbsp;</td>\n   </tr>\n",
		        page->query);
	for (size_t at = 0; backend_rows_next(rows, &at, &row);) {
		if (row.subdir && strlen(row.name) >= skip)
			add_subdir(page, row.name + skip, out);
	}
	for (size_t at = 0; backend_rows_next(rows, &at, &row);) {
		if (!row.subdir && strlen(row.name) >= skip)
			add_object(page, &row, row.name + skip, out);
	}
	buf_str(out, "  </table>\n </body>\n</html>\n");
}
