"""How files of others are read: which picture formats there are for us."""

# Pillow's name -> endings by which a folder's pictures are found. Pillow opens these alone: of its other readers one
# starts Ghostscript (EPS), and most nobody uses.
PICTURE_FORMATS: dict[str, tuple[str, ...]] = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),  # MPO too, which is a JPEG followed by others
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "TGA": (".tga",),
    "PPM": (".ppm", ".pgm", ".pbm"),
    "JPEG2000": (".jp2",),
    "ICO": (),
    "PSD": (),
    "QOI": (),
}
READABLE = tuple(PICTURE_FORMATS)  # for `formats=` of Pillow's open
PICTURE_ENDINGS = tuple(ending for endings in PICTURE_FORMATS.values() for ending in endings)
