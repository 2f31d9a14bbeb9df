"""Half-length figures, drawn in ink or flat: what each variant of their attributes shows.

Seen by eye on sheets of all variants. A variant that is not named is not drawn: oddities, and those for which every
word would be a guess. The notation is that of tag_styles.read. An avatar has no sex, so nothing here speaks of one.
"""

from .styles import Style, attribute

OPEN_PEEPS = Style(
    attributes={
        "head": attribute(
            {
                # Only some heads take the chosen colour; the others are drawn in black ink.
                "black_hair": "afro bangs2 bun flatTop flatTopLong hatBeanie long longAfro longBangs longCurly medium1"
                " medium2 medium3 mediumBangs mediumBangs3 mediumStraight pomp shaved1 shaved2 shaved3 short1 short2"
                " short3 short5 twists twists2 cornrows2",
                "~hair_colour ~hair_length ~hair_shape": "hatHip hijab turban",
                "~hair_length": "afro bun cornrows cornrows2 grayBun hatBeanie longAfro mediumBangs2 mediumBangs3"
                " mohawk",
                "short_hair": "flatTop flatTopLong grayShort*4 pomp shaved1 shaved2 shaved3 short1 short2 short3"
                " short4*4 short5 twists twists2",
                "short_hair? medium_hair?": "bangs*4 bangs2 grayMedium*3 medium1",
                "medium_hair": "medium2",
                "medium_hair? long_hair?": "medium3 mediumBangs mediumStraight",
                "long_hair": "long longBangs longCurly",
                "bald": "noHair1*2",
                "afro curly_hair?": "afro*3 longAfro*3",
                "curly_hair": "longCurly",
                "curly_hair?": "twists twists2 mediumBangs2 short3 shaved1",
                "wavy_hair?": "mediumBangs2 longCurly long longBangs medium2 mediumBangs",
                "blunt_bangs": "bangs2",
                "blunt_bangs?": "bangs mediumBangs2 mediumBangs3 mediumBangs longBangs",
                "bob_cut": "bangs2",
                "bob_cut?": "bangs grayMedium medium1",
                "hair_over_one_eye? one_eye_closed?": "mediumStraight longBangs",
                "undercut?": "shaved1 shaved2 shaved3 pomp flatTop flatTopLong mohawk short4",
                "flattop": "flatTop flatTopLong",
                "spiked_hair?": "shaved3 short5 twists",
                "mohawk": "mohawk*3",
                "single_hair_bun": "bun grayBun*4",
                "hair_ornament? hairband? hat?": "bun",
                "hair_bun? single_hair_bun? ponytail?": "grayMedium mediumBangs2",
                "ponytail braid? single_braid?": "cornrows*3 cornrows2",
                "beanie ~hair_shape": "hatBeanie*4",
                "hat": "hatHip*2",
                "hijab": "hijab*2",
                "turban": "turban*2",
            }
        ),
        "face": attribute(
            {
                "closed_eyes smile closed_mouth": "calm cute contempt eatingHappy",
                "smile closed_mouth sparkling_eyes?": "awe",
                "open_mouth teeth? frown?": "concerned",
                "smile closed_mouth v-shaped_eyebrows": "driven",
                "open_mouth teeth? tongue? smile?": "explaining*2",
                "closed_eyes closed_mouth frown? v-shaped_eyebrows?": "eyesClosed",
                "clenched_teeth": "hectic*2",
                "heart-shaped_pupils smile open_mouth": "lovingGrin1",
                "heart-shaped_pupils smile grin teeth clenched_teeth?": "lovingGrin2",
                "angry v-shaped_eyebrows open_mouth teeth? frown?": "rage*2",
                "closed_mouth half-closed_eyes? frown?": "serious tired",
                "smile closed_mouth": "smile*3",
                "closed_eyes smile grin teeth clenched_teeth?": "smileBig*2",
                "closed_eyes smile open_mouth": "smileLOL*2",
                "smile teeth open_mouth? grin? clenched_teeth?": "smileTeethGap",
                "frown closed_mouth closed_eyes? half-closed_eyes?": "solemn*2",
                "angry v-shaped_eyebrows frown closed_mouth half-closed_eyes?": "veryAngry*2",
            }
        ),
        "accessories": attribute(
            {
                "eyepatch one_eye_closed?": "eyepatch",
                "glasses round_eyewear?": "glasses glasses2 glasses3 glasses4 glasses5",
                "sunglasses ~eyes ~emotion": "sunglasses*2 sunglasses2*2",
            },
            chance=0.3,
        ),
        "facialHair": attribute(
            {
                "beard": "chin full full2 full3 full4",
                "mustache": "full full2 full3 full4 moustache1 moustache2 moustache3 moustache4 moustache5 moustache6"
                " moustache7 moustache8 moustache9 goatee1",
                "goatee": "goatee2*5",
                "goatee? beard?": "goatee1",
                "mustache? beard?": "goatee2",
                "~mouth": "full2 full3 full4 moustache2 moustache3 moustache5 moustache6 moustache7 moustache9 goatee1"
                " goatee2",
            },
            chance=0.12,
        ),
        "mask": attribute(
            {
                "surgical_mask ~mouth ~facial_hair": "medicalMask",
                "mouth_mask surgical_mask? ~mouth ~facial_hair": "respirator",
            },
            chance=0.07,
        ),
    },
    hair="headContrastColor",
    shirt="clothingColor",
    always="@shirt",
    face=(0.3, 0.25, 0.85, 0.85),
)


NOTIONISTS = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "variant01 variant03 variant05 variant06 variant07 variant09 variant12 variant13"
                " variant15 variant16 variant17 variant18 variant19 variant21 variant22 variant24 variant25 variant26"
                " variant27 variant31 variant32 variant33 variant34 variant35 variant38 variant40 variant44"
                " variant49 variant51 variant52 variant53 variant54 variant55 variant56 variant60",
                "short_hair? medium_hair?": "variant04 variant11 variant20 variant43",
                "medium_hair": "variant02*2 variant10*2 variant37*2 variant58*2 variant36*2",
                "medium_hair? long_hair?": "variant08 variant23 variant28 variant41",
                "~hair_length": "hat variant14 variant29 variant39 variant45 variant46 variant47 variant48 variant57"
                " variant59 variant61 variant62 variant63",
                "curly_hair?": "variant09 variant20 variant22 variant33 variant40 variant03 variant17 variant01",
                "wavy_hair?": "variant02 variant08 variant11 variant20 variant28 variant36 variant37 variant58",
                "bob_cut?": "variant10 variant23 variant43 variant41",
                "blunt_bangs?": "variant24 variant41 variant45 variant46 variant25",
                "undercut?": "variant07 variant26 variant32 variant44 variant60 variant51",
                "flattop?": "variant21 variant44 variant49",
                "spiked_hair": "variant51*2 variant53*2",
                "spiked_hair?": "variant12 variant52 variant56",
                "baseball_cap ~hair_shape": "hat*4",
                "hat ~hair_shape": "variant14*2",
                "single_hair_bun": "variant29*2 variant48*3 variant57*2",
                "double_bun": "variant59*4",
                "ponytail": "variant39*2 variant45*2 variant47*3",
                "hair_ornament?": "variant45 variant57",
                "hairband": "variant08*2",
                "hairband hair_ornament? ponytail?": "variant46*2",
                "turban ~hair_shape ~hair_colour": "variant61*3",
                "hijab ~hair_shape ~hair_colour": "variant62*2 variant63*2",
            }
        ),
        "glasses": attribute(
            {
                "sunglasses round_eyewear?": "variant01 variant02 variant04 variant05 variant06 variant07 variant09"
                " variant10",
                "glasses round_eyewear?": "variant03*2 variant08*2",
                "glasses round_eyewear": "variant11*2",
            },
            chance=0.25,
        ),
        "beard": attribute({"beard mustache?": "variant02", "mustache": "variant03 variant10"}, chance=0.1),
        "body": attribute(
            {
                "": "variant05 variant06 variant11 variant12 variant13 variant14 variant15 variant21 variant22"
                " variant25",
                "backpack": "variant01*2 variant02*2 variant03*2 variant04*2",
                "hoodie": "variant23*3 variant24*3",
                "jacket? hoodie? open_jacket?": "variant07 variant08 variant16",
                "jacket? open_jacket?": "variant09 variant10",
                "open_jacket": "variant17 variant18*2",
                "necktie": "variant19*2 variant20*2",
            }
        ),
        "gesture": attribute(
            {
                "waving": "waveLongArm waveLongArms",
                "ok_sign": "ok okLongArm",
                "waving ok_sign": "waveOkLongArms",
                "index_finger_raised": "pointLongArm",
                "waving index_finger_raised": "wavePointLongArms",
                "cellphone": "handPhone*2",
            },
            chance=0.3,
        ),
    },
    hair=None,
    skin=None,
    fixed={"bodyIconProbability": 0},
    # Its eyes and mouth are a few pixels wide; colours are not named where there are none.
    always="monochrome greyscale ~eyes ~mouth ~emotion ~shirt black_hair? white_hair? grey_hair? silhouette?",
    face=(0.25, 0.12, 0.8, 0.68),
)


MICAH = Style(
    attributes={
        "hair": attribute(
            {
                "short_hair": "fonze*2",
                "short_hair? medium_hair?": "dannyPhantom pixie*2",
                "~hair_length": "mrT turban",
                "long_hair wavy_hair?": "full*2",
                "bald": "mrClean",
                "mohawk undercut?": "mrT",
                "blunt_bangs?": "dannyPhantom",
                "bob_cut?": "pixie",
                # The turban takes the colour of the hair that it hides.
                "turban ~hair_colour ~hair_shape": "turban",
            }
        ),
        "eyes": attribute({"": "eyes eyesShadow round", "closed_eyes": "smiling smilingShadow"}),
        "mouth": attribute(
            {
                "smile closed_mouth": "smile smirk",
                "frown closed_mouth": "frown sad",
                "smile open_mouth tongue? teeth?": "laughing*2",
                "clenched_teeth frown?": "nervous",
                "open_mouth tongue?": "surprised",
            }
        ),
        "glasses": attribute({"glasses round_eyewear": "round", "glasses": "square"}, chance=0.3),
        "earrings": attribute(
            {"earrings": "hoop*2 stud"},
            chance=0.3,
            only_with=("hair", "fonze mrClean mrT turban dannyPhantom"),
        ),
        "facialHair": attribute({"beard mustache?": "beard", "stubble": "scruff"}, chance=0.12),
        "shirt": attribute({"": "open crew", "collared_shirt": "collared"}),
    },
    skin="baseColor",
    shirt="shirtColor",
    fixed={"earringColor": ["f4d150", "000000", "ffffff"], "glassesColor": ["000000", "9287ff", "f4d150"]},
    always="@shirt ~emotion",
    face=(0.25, 0.2, 0.82, 0.84),
)
