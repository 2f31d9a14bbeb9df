"""Heads drawn in ink and coloured: what each variant of their attributes shows.

Seen by eye on sheets of all variants. A variant that is not named is not drawn: oddities, and those for which every
word would be a guess. The notation is that of tag_styles.read. An avatar has no sex, so nothing here speaks of one.
"""

from .styles import Style, attribute

ADVENTURER = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "short01 short02 short03 short04 short05 short06 short07 short08 short09 short10 short11"
                " short14 short16 short17 short18",
                "bald": "short19*4",
                "~hair_length": "long10 long11 long12 long13 long14 long15 long16 long19 long23 short15",
                "long_hair": "long06 long09",
                "medium_hair? long_hair?": "long04 long05 long07 long08 long17 long18 long20 long22",
                "medium_hair": "long24",
                "short_hair? medium_hair?": "long01 long02 long03 long21 long25 long26",
                "bob_cut?": "long01 long05 long07 long21 long24 long26",
                "wavy_hair": "long06*2 long17 long18 long24",
                "wavy_hair?": "long02 long03 long09 long22 short03 short07",
                "curly_hair": "short03*2 short17*2",
                "curly_hair?": "long06 long22 short09 short18",
                "afro?": "short03",
                "undercut?": "short15 short18",
                "flattop?": "short18",
                "spiked_hair": "short16*3",
                "spiked_hair?": "short15 short06",
                "mohawk": "short15*3",
                "blunt_bangs": "long07 long08",
                "blunt_bangs?": "long11 long15 long21 long02 long03 short02",
                "hair_over_one_eye one_eye_closed?": "long20*2",
                "hair_over_one_eye? one_eye_closed?": "long04 long22 long25 short06",
                "hair_flower hair_ornament": "long03*2 long18*2",
                "head_wreath hair_ornament? hair_flower?": "long08*2",
                "single_hair_bun": "long10 long11 short05",
                "single_hair_bun ponytail?": "long12",
                "double_bun": "long13*2 long23*2",
                "low_twintails": "long14*3",
                "twintails": "long15*3",
                "single_braid": "long16*6",
                "ponytail": "long19*3",
            }
        ),
        "eyes": attribute(
            {
                "": "variant01 variant02 variant03 variant06 variant07 variant08 variant09 variant10 variant15"
                " variant24 variant25 variant26",
                "half-closed_eyes?": "variant05 variant11 variant12 variant13 variant14 variant09 variant10 variant15",
                "half-closed_eyes": "variant04 variant16 variant17 variant18",
                "closed_eyes": "variant19*2 variant20*2",
                "one_eye_closed": "variant21*2 variant22*2",
                "sparkling_eyes": "variant23*4",
            }
        ),
        "mouth": attribute(
            {
                "smile open_mouth": "variant01",
                "smile closed_mouth": "variant02 variant29",
                "open_mouth frown?": "variant03 variant18",
                "frown closed_mouth": "variant04*2",
                "smile grin teeth red_lips open_mouth? closed_mouth?": "variant05",
                "red_lips closed_mouth smile?": "variant06",
                "red_lips open_mouth teeth?": "variant07",
                "red_lips closed_mouth": "variant08",
                "closed_mouth": "variant09",
                "closed_mouth smile?": "variant10",
                "clenched_teeth frown? grin?": "variant11",
                "tongue_out frown? open_mouth? closed_mouth?": "variant12",
                "open_mouth frown teeth": "variant14*2",
                "open_mouth teeth? tongue?": "variant15",
                "tongue_out smile? open_mouth? closed_mouth?": "variant16",
                "smile grin teeth closed_mouth? clenched_teeth?": "variant22 variant23",
                "smile open_mouth teeth": "variant25 variant28",
                "smile open_mouth teeth tongue?": "variant26",
                "smile open_mouth tongue?": "variant27",
                "smile? open_mouth": "variant30",
            }
        ),
        "glasses": attribute(
            {
                "sunglasses ~eyes": "variant01*2",
                "glasses": "variant02 variant03 variant05",
                "glasses round_eyewear": "variant04",
                "round_eyewear?": "variant02 variant03 variant05",
            },
            chance=0.2,
        ),
        "earrings": attribute(
            {"earrings": "variant01 variant02*2 variant03 variant04 variant06"},
            chance=0.25,
            only_with=(
                "hair",
                "long02 long10 long12 long13 long15 long16 long19 long23 short02 short04 short05 short08 short09"
                " short10 short11 short14 short17 short18 short19",
            ),
        ),
        # The first one, black bars, lies over the eyes. Fringes hide most of them, so nothing is said of any.
        "eyebrows": attribute({"": " ".join(f"variant{number:02d}" for number in range(2, 16))}),
        "features": attribute(
            {"mustache": "mustache", "blush": "blush*2", "mole": "birthmark*2", "freckles": "freckles"}, chance=0.3
        ),
    },
    always="~emotion",
    face=(0.14, 0.3, 0.86, 0.9),
    has_body=False,
)

LORELEI = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "variant01 variant02 variant03 variant04 variant05 variant06 variant07 variant08"
                " variant09 variant11 variant12 variant22 variant39 variant43 variant44 variant47",
                "short_hair? medium_hair?": "variant10 variant17 variant19 variant20 variant37",
                "medium_hair": "variant13 variant18 variant23 variant32",
                "medium_hair? long_hair?": "variant15 variant16 variant21 variant24 variant40 variant41",
                "long_hair": "variant35*2",
                "~hair_length": "variant14 variant26 variant27 variant29 variant30 variant31 variant33 variant36"
                " variant38 variant42 variant45 variant46 variant48",
                "curly_hair": "variant05*2 variant24*2 variant39*2",
                "curly_hair?": "variant09 variant18 variant22 variant44",
                "wavy_hair": "variant35 variant18",
                "wavy_hair?": "variant05 variant20 variant24 variant32 variant37",
                "bob_cut?": "variant13 variant19 variant23 variant10 variant17",
                "blunt_bangs?": "variant06 variant10 variant13 variant14 variant17 variant19 variant23 variant46",
                "mohawk spiked_hair?": "variant27*3",
                "undercut?": "variant27 variant39 variant47",
                "spiked_hair?": "variant04 variant20",
                "hair_over_one_eye one_eye_closed?": "variant40*2 variant41*2 variant45*2",
                "hair_over_one_eye?": "variant15 variant21 variant07",
                "single_hair_bun": "variant14*2 variant38*2 variant45 variant46*2",
                "double_bun": "variant26*3",
                "low_twintails": "variant29*2 variant30*2 variant48*2",
                "ponytail": "variant31*2 variant33*2 variant42*2",
                "ponytail? single_hair_bun? hair_bun?": "variant36",
            }
        ),
        "eyes": attribute(
            {
                "": "variant02 variant04 variant05 variant06 variant07 variant10 variant13 variant14 variant16"
                " variant17 variant20 variant21 variant23 variant24 variant08 variant11 variant12",
                "closed_eyes": "variant01*2 variant19*2 variant22*2",
                "one_eye_closed": "variant15*3 variant18*3",
            }
        ),
        "mouth": attribute(
            {
                "smile closed_mouth": "happy01 happy02 happy04 happy10 happy13",
                "smile open_mouth? closed_mouth?": "happy03",
                "smile open_mouth": "happy05*2 happy06",
                "smile grin teeth clenched_teeth? closed_mouth? open_mouth?": "happy07 happy16",
                "smile? open_mouth": "happy08",
                "smile tongue_out open_mouth? closed_mouth?": "happy09",
                "closed_mouth smile?": "happy14",
                "open_mouth frown?": "sad01*2",
                "closed_mouth frown?": "sad03 sad09",
                "closed_mouth frown": "sad04*2 sad05*2",
                "clenched_teeth frown? open_mouth?": "sad06 sad07",
                "tongue_out frown? open_mouth? closed_mouth?": "sad08",
            }
        ),
        "glasses": attribute(
            {
                "glasses round_eyewear": "variant01",
                "sunglasses ~eyes": "variant02*2",
                "glasses": "variant03 variant04 variant05",
            },
            chance=0.2,
        ),
        "earrings": attribute(
            {"earrings": "variant01 variant03*2"},
            chance=0.3,
            only_with=(
                "hair",
                "variant01 variant02 variant03 variant04 variant07 variant08 variant09 variant10 variant11 variant12"
                " variant14 variant22 variant26 variant27 variant31 variant33 variant36 variant38 variant39 variant42"
                " variant43 variant44 variant46 variant47",
            ),
        ),
        "freckles": attribute({"freckles": "variant01"}, chance=0.12),
        "beard": attribute({"beard mustache? closed_mouth?": "variant01 variant02"}, chance=0.08),
        "hairAccessories": attribute({"hair_flower": "flowers"}, chance=0.12),
    },
    always="~emotion half-closed_eyes?",
    face=(0.2, 0.22, 0.82, 0.84),
)


CROODLES = Style(
    attributes={
        "top": attribute(
            {
                "short_hair": "variant01 variant02 variant03 variant05 variant06 variant08 variant09 variant29",
                "~hair_length": "variant11 variant15 variant18",
                "long_hair": "variant13*2 variant14*2 variant16 variant17*2",
                "medium_hair? long_hair?": "variant12",
                "bald": "variant28*3",
                "spiked_hair": "variant02*2",
                "spiked_hair?": "variant06 variant09",
                "curly_hair": "variant05*2 variant18*2",
                "curly_hair? wavy_hair?": "variant11 variant13",
                "blunt_bangs?": "variant14 variant05 variant18",
                "ponytail": "variant15*3",
                "twintails low_twintails?": "variant16*3",
                "~hair_length ~hair_shape": "variant20 variant21 variant22 variant24 variant25",
                "hat": "variant20",
                "beanie": "variant21*3",
                "mortarboard": "variant22*4",
                "beret": "variant24*4",
                "baseball_cap": "variant25*2",
            }
        ),
        "eyes": attribute(
            {
                "": "variant01*3 variant02*2 variant04*2 variant11*2 variant16",
                "closed_eyes": "variant03*2",
                ">_<": "variant05*2",
                "heart-shaped_pupils": "variant07*2",
                "sunglasses ~eyes": "variant09*2",
                "eyepatch one_eye_closed?": "variant10*2",
                "glasses round_eyewear": "variant14*2",
                "glasses ~eyes round_eyewear?": "variant15",
            }
        ),
        "mouth": attribute(
            {
                "closed_mouth": "variant01*2",
                "smile closed_mouth": "variant02*2 variant07*2 variant16",
                "smile open_mouth": "variant10*2 variant17*2",
                "smile open_mouth teeth?": "variant11*2",
                "clenched_teeth frown?": "variant12*2",
                "wavy_mouth open_mouth? closed_mouth?": "variant14*2",
                "frown closed_mouth": "variant18*3",
            }
        ),
        "beard": attribute({"stubble": "variant01 variant03", "beard": "variant04"}, chance=0.1),
        "mustache": attribute({"mustache ~mouth": "variant01 variant03"}, chance=0.08),
    },
    hair=None,
    skin=None,
    fixed={"topColor": ["000000", "7a1f1f", "1f3f8a", "1f6b2f", "5a1f7a", "7a4a2a"]},
    # Hair is a few coloured lines here, so its colour is not said.
    always="~hair_colour ~emotion half-closed_eyes? monochrome? greyscale? silhouette?",
    face=(0.2, 0.25, 0.85, 0.85),
    has_body=False,
)
