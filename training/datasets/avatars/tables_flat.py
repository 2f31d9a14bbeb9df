"""Figures drawn in flat colour: what each variant of their attributes shows.

Seen by eye on sheets of all variants. A variant that is not named is not drawn: oddities, and those for which every
word would be a guess. The notation is that of tag_styles.read. An avatar has no sex, so nothing here speaks of one.
"""

from .styles import Style, attribute

BIG_SMILE = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "shortHair bowlCutHair curlyShortHair",
                "short_hair undercut?": "shavedHead",
                "medium_hair? long_hair?": "bangs straightHair wavyBob",
                "short_hair? medium_hair?": "curlyBob",
                "~hair_length": "bunHair froBun mohawk",
                "blunt_bangs": "bangs",
                "blunt_bangs?": "bowlCutHair",
                "bowl_cut": "bowlCutHair",
                "curly_hair afro?": "curlyShortHair",
                "wavy_hair": "wavyBob",
                "wavy_hair? curly_hair? bob_cut?": "curlyBob",
                "single_hair_bun": "bunHair",
                "hair_bun single_hair_bun? double_bun? curly_hair? undercut?": "froBun",
                "mohawk undercut?": "mohawk",
            }
        ),
        "eyes": attribute(
            {
                "": "cheery normal confused sad",
                "angry? v-shaped_eyebrows": "angry",
                "closed_eyes": "sleepy*2",
                "star-shaped_pupils": "starstruck",
                "one_eye_closed": "winking*2",
            }
        ),
        "mouth": attribute(
            {
                "clenched_teeth smile? grin?": "awkwardSmile",
                "smile open_mouth teeth tongue?": "braces gapSmile openedSmile*2",
                ":3 closed_mouth smile? wavy_mouth?": "kawaii*2",
                "open_mouth teeth frown tongue?": "openSad*2",
                "smile grin teeth clenched_teeth?": "teethSmile*2",
                "closed_mouth frown?": "unimpressed*2",
            }
        ),
        "accessories": attribute(
            {
                "cat_ears": "catEars*5",
                "glasses round_eyewear": "glasses*3",
                "tiara": "sailormoonCrown*3",
                "red_nose": "clownNose*3",
                "sleep_mask ~eyes ~emotion": "sleepMask*3",
                "sunglasses ~eyes": "sunglasses*3",
                "surgical_mask ~mouth ~facial_hair": "faceMask*3",
                "mustache closed_mouth?": "mustache",
            },
            chance=0.7,
        ),
    },
    always="no_lineart blush?",
    face=(0.2, 0.35, 0.95, 0.95),
    has_body=False,
)

TOON_HEAD = Style(
    attributes={
        "hair": attribute(
            {"": "sideComed*2", "undercut": "undercut", "spiked_hair": "spiky", "single_hair_bun short_hair?": "bun"}
        ),
        "rearHair": attribute(
            {
                "long_hair": "longStraight longWavy",
                "wavy_hair": "longWavy",
                "medium_hair wavy_hair?": "shoulderHigh",
                "short_hair? medium_hair? bob_cut?": "neckHigh",
            },
            chance=0.65,
            absent="short_hair",
        ),
        "eyes": attribute({"": "happy*2 wide", "closed_eyes": "bow humble", "one_eye_closed": "wink"}),
        "mouth": attribute(
            {
                "open_mouth tongue?": "agape",
                "open_mouth teeth frown": "angry",
                "smile open_mouth teeth tongue?": "laugh",
                "smile closed_mouth": "smile",
                "frown closed_mouth": "sad",
            }
        ),
        "eyebrows": attribute({"": "raised happy neutral sad", "v-shaped_eyebrows angry?": "angry"}),
        "clothes": attribute(
            {
                "turtleneck ~shirt": "turtleNeck",
                "open_jacket ~shirt": "openJacket",
                "bare_shoulders ~shirt": "dress",
                "collared_shirt shirt ~shirt": "shirt",
                "@shirt": "tShirt",
            }
        ),
        "beard": attribute(
            {
                "goatee? beard? facial_hair": "chin",
                "mustache goatee? beard?": "chinMoustache",
                "beard mustache goatee?": "fullBeard longBeard",
                "~mouth": "longBeard",
                "mustache": "moustacheTwirl",
            },
            chance=0.14,
        ),
    },
    shirt="clothesColor",
    always="no_lineart?",
    face=(0.2, 0.2, 0.8, 0.88),
)


PERSONAS = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "shortCombover shortComboverChops fade curlyHighTop",
                "~hair_length": "beanie bunUndercut cap curly curlyBun pigtails sideShave straightBun",
                "short_hair? medium_hair?": "bobCut",
                "medium_hair?": "bobBangs",
                "medium_hair? long_hair?": "long",
                "long_hair": "extraLong*2",
                "bald": "bald*2",
                "bob_cut": "bobCut",
                "bob_cut? hair_over_one_eye? one_eye_closed?": "bobBangs",
                "curly_hair": "curly curlyHighTop",
                "curly_hair?": "curlyBun",
                "afro?": "curly",
                "undercut?": "fade bunUndercut sideShave",
                "hair_over_one_eye? wavy_hair? one_eye_closed? ponytail?": "sideShave",
                "single_hair_bun": "bunUndercut curlyBun straightBun*2",
                "hairband": "curlyBun straightBun",
                "twintails hair_ornament?": "pigtails*2",
                "beanie ~hair_shape ~hair_colour": "beanie",
                "baseball_cap ~hair_shape ~hair_colour": "cap",
                # These are drawn see-through: the skin shines through the colour.
                "~hair_colour": "curly curlyHighTop",
            }
        ),
        "eyes": attribute(
            {
                "": "open*2",
                "closed_eyes": "sleep happy",
                "one_eye_closed": "wink",
                "glasses round_eyewear?": "glasses",
                "sunglasses ~eyes": "sunglasses",
            }
        ),
        "mouth": attribute(
            {
                "smile teeth grin? open_mouth? closed_mouth?": "bigSmile",
                "frown closed_mouth": "frown",
                "closed_mouth red_lips? smile?": "lips",
                "smile closed_mouth": "smile*2 smirk",
                "open_mouth": "surprise",
            }
        ),
        "facialHair": attribute(
            {
                "beard mustache": "beardMustache",
                "goatee mustache? beard?": "goatee",
                "mustache": "pyramid walrus",
                "stubble beard?": "shadow",
                "goatee? facial_hair": "soulPatch",
            },
            chance=0.14,
        ),
        "body": attribute({"": "squared rounded small"}),
    },
    shirt="clothingColor",
    # A light oval lies over every face, so dark skin is not dark there.
    always="@shirt no_lineart ~emotion dark_skin?",
    face=(0.2, 0.2, 0.8, 0.85),
)


MINIAVS = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "classic01 classic02 stylish elvis curly",
                "long_hair": "long*2",
                "~hair_length": "ponyTail",
                "curly_hair": "curly*2",
                "ponytail": "ponyTail*2",
            }
        ),
        "eyes": attribute({"": "normal"}),
        "mouth": attribute({"smile open_mouth teeth tongue?": "default missingTooth"}),
        "mustache": attribute(
            {"mustache": "freddy horshoe pencilThin", "mustache goatee?": "pencilThinBeard"}, chance=0.2
        ),
        "blushes": attribute({"blush": "default"}, chance=0.35),
        "glasses": attribute({"glasses round_eyewear?": "normal"}, chance=0.25),
        "body": attribute({"": "tShirt golf"}),
    },
    shirt="bodyColor",
    always="no_lineart ~emotion ~shirt turtleneck?",
    face=(0.2, 0.25, 0.9, 0.9),
)
