"""The simplest figures, of a few flat shapes or pixels: what each variant of their attributes shows.

Seen by eye on sheets of all variants. A variant that is not named is not drawn: oddities, and those for which every
word would be a guess. The notation is that of tag_styles.read. An avatar has no sex, so nothing here speaks of one.
"""

from .styles import Style, attribute

DYLAN = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "flatTop parting plain shortCurls spiky wavy",
                "short_hair? medium_hair? bob_cut": "bangs",
                "~hair_length": "fluffy longCurls",
                "medium_hair? long_hair?": "roundBob",
                "short_hair? medium_hair? spiked_hair?": "shaggy",
                "blunt_bangs": "bangs",
                "blunt_bangs?": "roundBob flatTop plain",
                "flattop": "flatTop",
                "curly_hair": "longCurls shortCurls",
                "curly_hair? wavy_hair?": "fluffy wavy",
                "spiked_hair": "spiky",
                "angry? v-shaped_eyebrows?": "fluffy shaggy bangs roundBob",
            }
        ),
        "mood": attribute(
            {
                "angry v-shaped_eyebrows frown closed_mouth": "angry",
                "wavy_mouth closed_mouth? open_mouth?": "confused",
                "smile closed_mouth": "happy",
                ":3 closed_mouth smile?": "hopeful",
                "closed_mouth": "neutral",
                "frown closed_mouth": "sad",
                "smile open_mouth teeth?": "superHappy",
            }
        ),
    },
    fixed={"facialHairProbability": 0},
    always="no_lineart half-closed_eyes?",
    face=(0.1, 0.1, 0.9, 0.95),
    has_body=False,
)


BIG_EARS = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "short01 short02 short03 short04 short05 short07 short08 short10 short11 short12 short13"
                " short14 short16 short17 short18 short19 short20",
                "~hair_length": "long01 long02 long03 long04 long05 long06 long10 long11 long13 long15 long16 short09"
                " long07 long08 long09 long12 long14 long19 long20",
                "long_hair": "long18*2",
                "double_bun": "long05*3",
                "single_hair_bun": "long06*3",
                "twintails": "long16*4",
                "spiked_hair": "short03 short04 short10*2 short12 short19*2",
                "spiked_hair?": "short01",
                "curly_hair?": "long13 short18 long03 long11",
                "wavy_hair?": "long02 long03 long11 long13 long15 short02 short07",
                "afro?": "short18 long13",
                "flattop?": "short17",
                "bob_cut?": "long01 long04 long07 long08 long09 long12 long19 long20 short09",
                "bowl_cut?": "long01 short05 short13 short14",
            }
        ),
        "eyes": attribute(
            {
                "": "variant02*2 variant03*2 variant08 variant09 variant14 variant15 variant26 variant27 variant28"
                " variant29 variant30*2",
                "v-shaped_eyebrows angry?": "variant01*3",
                "half-closed_eyes?": "variant04 variant05 variant23",
                "half-closed_eyes": "variant06 variant07*3",
                "star-shaped_pupils": "variant10 variant13",
                ">_<": "variant11 variant12",
                "closed_eyes": "variant31*3 variant32*3",
            }
        ),
        "mouth": attribute(
            {
                "open_mouth smile? teeth? tongue?": "variant0101 variant0102 variant0103",
                "open_mouth teeth?": "variant0105",
                "smile open_mouth teeth? tongue?": "variant0201 variant0203 variant0205 variant0301 variant0302"
                " variant0303 variant0305",
                "smile teeth grin? open_mouth?": "variant0204 variant0304",
                "frown open_mouth teeth? tongue?": "variant0401 variant0402 variant0403 variant0405 variant0501"
                " variant0502 variant0505",
                "frown open_mouth? teeth clenched_teeth? tongue?": "variant0503 variant0504",
                "teeth clenched_teeth? open_mouth?": "variant0604",
                "smile closed_mouth": "variant0702*4 variant0707*2 variant0708*2",
                ":3 closed_mouth smile?": "variant0703*3",
                "frown closed_mouth": "variant0704*3 variant0705*3",
            }
        ),
        "cheek": attribute(
            {"freckles": "variant01*3 variant02*3", "blush": "variant03 variant04 variant05 variant06"}, chance=0.35
        ),
    },
    always="no_lineart blunt_bangs? undercut?",
    face=(0.15, 0.3, 0.85, 0.97),
    has_body=False,
)


PIXEL_ART = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "short01 short02 short03 short04 short06 short08 short09 short10 short14 short15 short16"
                " short17 short19 short22",
                "long_hair": "long01 long07 long09 long12 long13 long08",
                "medium_hair? long_hair?": "long02 long03 long20 long21",
                "short_hair? medium_hair?": "long04 long16 long17",
                "hair_over_one_eye": "long08*2",
                "bob_cut?": "long03 long04 long16 long17 long20 long21",
                "blunt_bangs?": "long01 long02 long09 long12 long13 long21 short14 short16 short17",
            }
        ),
        "hat": attribute(
            {
                "hat beanie? baseball_cap? ~hair_shape ~hair_length": "variant01 variant02 variant03 variant04"
                " variant05 variant06 variant07 variant08 variant09 variant10"
            },
            chance=0.12,
        ),
        "eyes": attribute(
            {"": "variant01 variant03 variant04 variant06 variant07 variant08 variant09 variant10 variant11"}
        ),
        "mouth": attribute(
            {
                "smile closed_mouth?": "happy07*2 happy08*2 happy09*3",
                "smile open_mouth?": "happy06*3",
                "frown closed_mouth?": "sad01*4",
                "closed_mouth?": "sad04 sad05 sad06 sad07",
            }
        ),
        "glasses": attribute(
            {"glasses round_eyewear?": "light01 light02 light03 light05 light06 light07"}, chance=0.22
        ),
        "accessories": attribute(
            {"earrings": "variant01 variant02 variant03 variant04"},
            chance=0.2,
            only_with=("hair", "short01 short02 short03 short04 short06 short08 short09 short10 short19 short22"),
        ),
        "clothing": attribute(
            {"": "variant01 variant03 variant04 variant05 variant08 variant11 variant12 variant14 variant23"}
        ),
    },
    shirt="clothingColor",
    fixed={"beardProbability": 0, "glassesColor": ["191919", "323232", "43677d"], "accessoriesColor": ["daa520"]},
    always="@shirt pixel_art no_lineart? ~emotion red_lips? half-closed_eyes? teeth? tongue? turtleneck?",
    face=(0.12, 0.1, 0.88, 0.88),
)
