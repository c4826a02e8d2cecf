/* The content type of a name whose uploader did not say: what Swift guesses by Python's table. */
#include "proxy/mime.h"

#include "lib/base/auto.h"
#include <string.h>
#include <strings.h>

static const struct {
	const char *extension, *type;
} types[] = {
        {"a", "application/octet-stream"},
        {"ai", "application/postscript"},
        {"aif", "audio/x-aiff"},
        {"aifc", "audio/x-aiff"},
        {"aiff", "audio/x-aiff"},
        {"au", "audio/basic"},
        {"avi", "video/x-msvideo"},
        {"bat", "text/plain"},
        {"bcpio", "application/x-bcpio"},
        {"bin", "application/octet-stream"},
        {"bmp", "image/bmp"},
        {"c", "text/plain"},
        {"cdf", "application/x-netcdf"},
        {"cpio", "application/x-cpio"},
        {"csh", "application/x-csh"},
        {"css", "text/css"},
        {"csv", "text/csv"},
        {"dll", "application/octet-stream"},
        {"doc", "application/msword"},
        {"dot", "application/msword"},
        {"dvi", "application/x-dvi"},
        {"eml", "message/rfc822"},
        {"eps", "application/postscript"},
        {"etx", "text/x-setext"},
        {"exe", "application/octet-stream"},
        {"gif", "image/gif"},
        {"gtar", "application/x-gtar"},
        {"h", "text/plain"},
        {"hdf", "application/x-hdf"},
        {"heic", "image/heic"},
        {"htm", "text/html"},
        {"html", "text/html"},
        {"ico", "image/vnd.microsoft.icon"},
        {"ief", "image/ief"},
        {"jpe", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"jpg", "image/jpeg"},
        {"js", "application/javascript"},
        {"json", "application/json"},
        {"ksh", "text/plain"},
        {"latex", "application/x-latex"},
        {"m1v", "video/mpeg"},
        {"m3u", "application/vnd.apple.mpegurl"},
        {"m3u8", "application/vnd.apple.mpegurl"},
        {"man", "application/x-troff-man"},
        {"md", "text/markdown"},
        {"me", "application/x-troff-me"},
        {"mht", "message/rfc822"},
        {"mhtml", "message/rfc822"},
        {"mif", "application/x-mif"},
        {"mjs", "application/javascript"},
        {"mov", "video/quicktime"},
        {"movie", "video/x-sgi-movie"},
        {"mp2", "audio/mpeg"},
        {"mp3", "audio/mpeg"},
        {"mp4", "video/mp4"},
        {"mpa", "video/mpeg"},
        {"mpe", "video/mpeg"},
        {"mpeg", "video/mpeg"},
        {"mpg", "video/mpeg"},
        {"ms", "application/x-troff-ms"},
        {"nc", "application/x-netcdf"},
        {"nws", "message/rfc822"},
        {"o", "application/octet-stream"},
        {"obj", "application/octet-stream"},
        {"oda", "application/oda"},
        {"p12", "application/x-pkcs12"},
        {"p7c", "application/pkcs7-mime"},
        {"pbm", "image/x-portable-bitmap"},
        {"pdf", "application/pdf"},
        {"pfx", "application/x-pkcs12"},
        {"pgm", "image/x-portable-graymap"},
        {"pl", "text/plain"},
        {"png", "image/png"},
        {"pnm", "image/x-portable-anymap"},
        {"pot", "application/vnd.ms-powerpoint"},
        {"ppa", "application/vnd.ms-powerpoint"},
        {"ppm", "image/x-portable-pixmap"},
        {"pps", "application/vnd.ms-powerpoint"},
        {"ppt", "application/vnd.ms-powerpoint"},
        {"ps", "application/postscript"},
        {"pwz", "application/vnd.ms-powerpoint"},
        {"py", "text/x-python"},
        {"pyc", "application/x-python-code"},
        {"qt", "video/quicktime"},
        {"ra", "audio/x-pn-realaudio"},
        {"ram", "application/x-pn-realaudio"},
        {"ras", "image/x-cmu-raster"},
        {"rdf", "application/xml"},
        {"rgb", "image/x-rgb"},
        {"roff", "application/x-troff"},
        {"rtx", "text/richtext"},
        {"sgm", "text/x-sgml"},
        {"sgml", "text/x-sgml"},
        {"sh", "application/x-sh"},
        {"shar", "application/x-shar"},
        {"snd", "audio/basic"},
        {"so", "application/octet-stream"},
        {"src", "application/x-wais-source"},
        {"svg", "image/svg+xml"},
        {"swf", "application/x-shockwave-flash"},
        {"t", "application/x-troff"},
        {"tar", "application/x-tar"},
        {"tcl", "application/x-tcl"},
        {"tex", "application/x-tex"},
        {"texi", "application/x-texinfo"},
        {"tif", "image/tiff"},
        {"tiff", "image/tiff"},
        {"tr", "application/x-troff"},
        {"tsv", "text/tab-separated-values"},
        {"txt", "text/plain"},
        {"vcf", "text/x-vcard"},
        {"wasm", "application/wasm"},
        {"wav", "audio/x-wav"},
        {"webm", "video/webm"},
        {"webp", "image/webp"},
        {"wiz", "application/msword"},
        {"wsdl", "application/xml"},
        {"xbm", "image/x-xbitmap"},
        {"xlb", "application/vnd.ms-excel"},
        {"xls", "application/vnd.ms-excel"},
        {"xml", "text/xml"},
        {"xpdl", "application/xml"},
        {"xpm", "image/x-xpixmap"},
        {"xsl", "application/xml"},
        {"xwd", "image/x-xwindowdump"},
        {"zip", "application/zip"},
};

/* An encoding's ending hides the type's: "a.tar.gz" is a tar. */
static const struct {
	const char *extension, *stands_for;
} endings[] = {{"gz", ""}, {"bz2", ""}, {"xz", ""}, {"z", ""}, {"br", ""}, {"tgz", "tar"},
        {"taz", "tar"}, {"tz", "tar"}, {"tbz2", "tar"}, {"txz", "tar"}, {"svgz", "svg"}};

static const char *type_of(const char *extension, size_t len)
{
	for (unsigned i = 0; i < COUNT_OF(types); i++) {
		if (strlen(types[i].extension) == len &&
		        strncasecmp(types[i].extension, extension, len) == 0)
			return types[i].type;
	}
	return NULL;
}

const char *mime_guess(const char *name)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	const char *dot = strrchr(base, '.'), *type = NULL;
	static const char unknown[] = "application/octet-stream";

	if (!dot || dot == base)
		return unknown;
	size_t len = strlen(dot + 1);
	for (unsigned i = 0; i < COUNT_OF(endings); i++) {
		if (strcasecmp(dot + 1, endings[i].extension) != 0)
			continue;
		if (*endings[i].stands_for)
			return type_of(endings[i].stands_for, strlen(endings[i].stands_for));
		const char *before = memrchr(base, '.', (size_t)(dot - base));
		if (!before || before == base)
			return unknown;
		type = type_of(before + 1, (size_t)(dot - before - 1));
		return type ? type : unknown;
	}
	type = type_of(dot + 1, len);
	return type ? type : unknown;
}
