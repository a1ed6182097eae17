"""What people say around an answer: in English, and the usual in six other languages (docs/judging.md)."""

import re


def _words(*groups: str) -> str:
    """A pattern of any of these, each a pattern of its own."""
    return "|".join(groups)


NUMBER_WORDS = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion"
)

SMALL_WORDS = frozenset({
    "the", "and", "for", "are", "was", "were", "has", "have", "had", "does", "did", "that", "this", "these", "those",
    "there", "here", "its", "his", "her", "their", "our", "your", "they", "she", "you", "with", "from", "into", "onto",
    "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "many", "much", "can", "could", "would",
    "will", "shall", "should", "been", "being", "image", "picture", "photo", "photograph", "shown", "visible", "seen",
    "see", "show", "shows", "please", "answer", "question", "one", "than", "then", "them", "him", "also", "only",
    "just",
    "directly", "single", "word", "number", "about", "according", "given", "based", "following", "all", "any", "some",
})  # fmt: skip
"""Words that say nothing of what is asked or answered."""

_SO = _words(
    "so|thus|therefore|hence|in total|total|altogether|overall|in all|in conclusion|consequently|finally",
    "which (?:means|gives|makes|leaves|yields)|(?:that|this|it) (?:means|gives|makes|leaves)",
    "which (?:simplifies|reduces|comes|rounds) to|which (?:takes|brings|puts) (?:us|it|this|them) (?:back )?(?:to|at)",
    "gives|giving|yields|yielding|makes?(?= [0-9])|makes|making",
    "leaving|together(?=,| they| we| there| the)",
    r"what (?:remains|is left)(?: over)? is|we(?: are|'re) left with|(?:i|we) arrive at",
    r"we (?:get|have|find|obtain)|adds? up to|i\.e\.|that is to say|namely|(?:for|resulting in|bringing it to)"
    r" a total of",
    "an? (?:difference|increase|decrease|drop|rise|gap|gain|loss|change|sum|total) of",
    r"(?:half|twice|double|a third|two thirds|a quarter|three quarters|[0-9.]+\s?%|\w+ per ?cent) (?:of"
    r" )?(?:that|this|it|those|which)"
    "(?: (?:is|are|makes|gives|would be))?",
    r"(?<=, )(?:that|which)(?: is|'s)(?=,? (?:[-$€£(]?[0-9]|(?:" + NUMBER_WORDS + r")\b))",
    "donc|also|entonces|por lo tanto|quindi|portanto|logo(?=,)|所以|因此|故|于是|共",
)
CONCLUSION = re.compile(
    rf"(?:^|[\s,;:.(])(?:{_SO})(?![\w'-])[ ,:]*|(?:所以|因此|于是)|:\s(?=[-$€£]?[0-9][0-9,./]*\W*$)", re.IGNORECASE
)
"""Before what follows from the rest."""

CORRECTION = re.compile(
    r"\b(?:wait|actually|correction|sorry|rather|my mistake|mistaken|hold on|hmm+|on second thoughts?|scratch that"
    r"|i mean|corrected|(?:is|was|made) (?:an? |my )(?:error|mistake|slip)|on (?:re-?)?checking"
    r"|on (?:a )?closer (?:look|inspection)"
    r"|on reflection|then again|(?:edit|update|revision|revised|amended)(?=:)|let me (?:re\w+|correct|check"
    r"|count|look)|oops|instead)\b|\bno[,:] (?=[\w$€£(\[])",
    re.IGNORECASE,
)
"""Takes back what stands before."""

_IT_IS = r"(?:that|this|it|which)(?:'s| is| was| seems)"
TAKEN_BACK = re.compile(
    rf"^\W*(?:{_IT_IS}|no\W+{_IT_IS}|but {_IT_IS}|or (?:not|maybe|perhaps|possibly)\b|scratch|ignore|forget)"
    r"[^.]{0,20}"
    r"(?:wrong|incorrect|not (?:right|correct|true|it)|mistaken?|false|that(?! \w+ \w)|not|maybe|perhaps|possibly)\b"
    r"|^\W*(?:they|you|he|she|we|i)(?:'d| would| will|'re| are| were| was|'m| am)(?: all)?(?: be)? (?:wrong"
    r"|mistaken|incorrect)\b",
    re.IGNORECASE,
)
"""A sentence that leaves nothing in the place of what it takes back."""

_NOT = _words(
    "not|never|neither|nor|cannot|no|none|nothing|without|except|wrong|incorrect|unlikely|least likely|anything but",
    "mistaken|mistake|refuse[sd]?|den(?:y|ies)|(?:every(?:thing|one)?|all|any(?:thing)?) (?:but|except)",
    "too (?:low|high|many|few|much|little|big|small|large)|absent|missing",
    "rather than|instead of|false|untrue|rule[sd]? out|excluded?|eliminated?|isn",
    r"pas|nicht|kein\w*|nunca|não|non|ni|niet|geen|не|нет|nie|inte|faux|falsch|falso|fout",
)
NEGATION = re.compile(rf"\b(?:{_NOT})\b|n't\b|ではな|ではあり|じゃな|아니|아닙|不|没|非|无|排除|错", re.IGNORECASE)

_CANNOT = r"(?:can't|cannot) (?:tell|say|decide|determine)"
_MAYBE = _words(
    "maybe|perhaps|possibly|might|may be|could (?:also )?be|either|not (?:entirely |completely |really )?sure|unsure",
    f"uncertain|{_CANNOT}|or|alternatively|if|unless|assuming|suppose|depend(?:s|ing)|hard to (?:tell|say)",
    r"any of|all of|both(?! (?:sides|by|numbers|terms|parts)\b)|guess(?:ing)?|one of the|possible|possibilities",
    "peut-être|ou|vielleicht|oder|quizás|tal vez|forse|talvez",
)
HEDGE = re.compile(rf"\b(?:{_MAYBE})\b|或|(?<!最)可能|也许|如果|假如|要是|若是", re.IGNORECASE)

_ELSE = _words(
    "as well as|or|alternatively|maybe|perhaps|possibly|either|else|but (?:it )?(?:may|might|could|maybe"
    "|perhaps|possibly)|but (?:it|that|this)(?:'s| is) (?:hard|difficult|impossible|not possible|un[a-z]+) ",
    r"but (?:i'm|i am|we're|we are) (?:not|un\w+)"
    r"|but (?:a (?:little|bit) |slightly |somewhat )?(?:less|more|fewer|smaller|larger)|and (?:maybe|possibly"
    r"|perhaps)|and(?: also)?(?= (?:\d|[A-J]\b"
    r"|\(|yes|no))|if|unless|assuming|oder|ou",
)
ALTERNATIVE = re.compile(r"\W*(?:or|alternatively|maybe|perhaps|possibly|oder|ou|或)\b", re.IGNORECASE)
"""A sentence that goes on with another answer."""

CUT_OFF = re.compile(
    r"\s(?:and|or|but|because|plus|minus|times|than|the|either|between|we|which|an|since"
    r"|therefore|thus|hence|let)$",
    re.IGNORECASE,
)
"""The end of a response that never came to its end."""

CONDITION = re.compile(
    r"\W*(?:if|unless|in case|assuming|suppos\w+|provided)\b[^:\n]{0,120}:\s|\W*otherwise\b", re.IGNORECASE
)
"""Before an answer that holds under a condition."""

GOES_ON_HEDGED = re.compile(rf"[\s.,;:!?(/*$]*(?:(?:{_ELSE})\b|或)", re.IGNORECASE)
"""After an answer: an alternative to it, or a condition."""

_MONTHS = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
COMPARISON = re.compile(
    r"[<>≤≥≠±]|!=|\\(?:leq?|geq?|neq?|lt|gt|pm)\b|至少|至多|超过|多于|少于|不到|最多|以前|之前|以后|之后|以上|以下|以内|不足"
    rf"|\b(?:before|after|until|since|past) (?:the year )?(?=[0-9]|{_MONTHS}[a-z]*\.? [0-9])"
    r"|\b(?:(?:more|less|fewer|other|\w{3,}er) than"
    r"|at (?:least|most)|up to|between|within|(?:minimum|maximum|min|max) of)\b|[0-9] (?:max|maximum|minimum|tops)\b"
    r"|^\W*(?:max|maximum|minimum) [0-9]"
    r"|\b(?:twice|thrice|double|triple|half(?: of)?|(?:two|three|four|five) times|an?(?:other)? (?:third|half"
    r"|quarter) of"
    r"|rounded (?:up |down )?from|every) [-$€£]?[0-9][0-9.,]*%?(?: [a-z]{1,12})?\W*$"
    r"|[0-9](?: (?:and|or) (?:up|more|less|fewer|above|below|over|under|higher|lower)| squared| cubed"
    r"| (?:more|less|fewer) than)\b"
    r"|\b(?:square|cube|square root|cube root|negative|half|sum|product) of [-$€£]?[0-9][0-9.,]*%?\W*$"
    r"|\b(?:complement|supplement|reciprocal|inverse|opposite|multiple) of (?=[-$€£]?[0-9])"
    r"|\b(?:over|under|above|below|beyond|exceeds?) "
    r"(?=[-$€£]?[0-9]|(?:one|two|three|four|five|six|seven|eight|nine|ten)\b)",
    re.IGNORECASE,
)

FOREIGN_COMPARISON = re.compile(
    r"\b(?:nach|vor|seit|bis|über|unter|mindestens|höchstens|mehr als|weniger als|après|avant|depuis|jusqu'en"
    r"|plus de|moins de"
    r"|au moins|au plus|después de|antes de|desde|hasta|más de|menos de|al menos|dopo il|prima del|più di"
    r"|meno di|almeno|depois de"
    r"|mais de|pelo menos|na|vóór|meer dan|minder dan|после|до|более|менее)\s(?=[$€£]?[0-9])",
    re.IGNORECASE,
)
"""The same in other languages, before a number."""
NOW = re.compile(
    r"\b(?:now|since [12][0-9]{3}|today|currently|nowadays|meanwhile|these days|later|at present"
    r"|jetzt|heute|maintenant|ahora|adesso|agora|nu)\b|现在|如今",
    re.IGNORECASE,
)
"""Says of what was so that it isn't any more."""
ENGLISH = re.compile(r"\b(?:the|is|are|was|of|and|it|this|that|there)\b", re.IGNORECASE)
ACCORDING_TO_KEY = (
    r"according to (?:the|my|your) (?:reference|key|answer key|solution|prompt|hint|user|grader|system|instructions?)\b"
)
"""A pattern of what others give as the answer."""
SPOKEN_SUM = re.compile(
    r"[0-9](?:[0-9,.]*[0-9])?\)?\s(?:divided by|multiplied by|times|plus|minus|over)\s\(?[0-9](?:[0-9,.]*[0-9])?\)?,?\s"
    r"(?:(?:which|that)\s)?(?:is|equals|gives|makes|leaves)\s",
    re.IGNORECASE,
)

GOES_ON_CALCULATING = re.compile(
    r",?\s(?:so|thus|therefore|hence|which (?:means|gives|leaves|makes))\b"
    r"|^(?!\W*(?:because|since|as|given|where|due|for|which|check)\b)[^=]*(?:[0-9)}%]"
    r"|[a-z]{2})\s?=\s?[-$€£]?[0-9][0-9.,/]*\W*(?:[a-z°%]\S{0,12}\W*)?$",
    re.IGNORECASE,
)
"""After a clause: what follows from it, or a calculation."""

SURELY = _words(
    "of course|in fact|indeed|clearly|obviously|evidently|apparently|certainly|definitely|surely|absolutely"
    "|most likely",
    "most probably|probably|likely|presumably|really|for sure|for certain|as a matter of fact|as (?:you|we) can see",
    "as (?:shown|seen|stated|indicated|noted)(?: above| here| there)?|without (?:a |any )?doubts?|beyond doubt"
    "|no doubt|undoubtedly",
)
"""How sure someone is of the one answer that is given."""
_FIRST_OF_ALL = _words(
    "so|thus|therefore|hence|then|now|well|okay|ok|sure|and|in total|total|overall|in conclusion|finally|wait|ah|oh",
    f"actually|correction|sorry|oops|hmm+|我认为|所以|因此|{SURELY}",
)
_SEEN_IN = (
    r"(?:(?:by|using|with|applying) (?:the )?[^,=0-9:]{3,50},\s+)?(?:(?:based on|according to|from|looking at"
    r"|judging by|in) (?:the |this |that )?"
    r"(?:image|picture|photo|chart|graph|figure|table|diagram|document|caption|text|label|sign|map|page)"
    r"(?: above| shown)?,?\s+(?:i (?:can )?see\s+)?)?"
)
_I_THINK = (
    r"(?:(?:i'm|i am) (?:sure|certain|confident|going with)|(?:i'll|we) go with|(?:i|we)(?: can)? conclude"
    r"|i(?:'d| would)?\s+(?:can\s+)?(?:see|think|believe|choose|pick|select|say|count|read|get|find|go with))"
    r"(?:\s+that|\s+a total of)?[:,]?\s+"
)
_IT = "it|this|that|he|she|they|these|those|there|we|here"
_DOES = _words(
    "has to be|turns out to be|looks to be",
    "is|are|was|were|shows?|says?|reads?|has|have|depicts|must be|would be|should be|makes|looks like|gives|displays",
    "(?:appears|seems) to (?:be|show|say|have)|looks|seems|appears|points(?: to)?|happened|leaves|comes? from"
    "|equals|measures|weighs|costs|lasts|totals",
    "goes to|leads to|heads (?:to|for)|is (?:going|bound) (?:to|for)",
)
_SUBJECT = r"(?:the|its|this|that|these|their|his|her|my|our)\s(?:(?![.,;:?!\n]\s)[^?\n]){1,80}?"
_DOES_TOO = _words(
    "is|are|was|were|says?|reads?|shows?|equals|must be|would be|should be|has|have|begins?|starts?|ends?|displays",
    "(?:appears|seems) to (?:be|show|say|have)|looks(?: like)?|seems|appears|sits|lies|stands|sleeps|hangs"
    "|(?:can|may) be (?:seen|found)"
    r"|(?:should|must|can|will|has to) be \w+(?= (?:to|on|in|at|by)\b)|happens to be|turns out to be|comes (?:out )?to",
    "(?:simplifies|reduces|evaluates|factors|factorises|factorizes|expands|converts|works out) (?:to|as|into)"
    "|becomes|is equal to",
    "points(?: to)?|comes? from|came|finished|measures|weighs|costs|lasts|totals",
    "goes to|leads to|heads (?:to|for)|is (?:going|bound) (?:to|for)",
)
_MADE = _words(
    r"(?:lying|sitting|standing|sleeping|placed|situated|located|resting|parked|hanging|found|seen|visible"
    r"|positioned|shown"
    r"|pointing|facing|heading|going|moving)(?=\s(?:to|in|on|at|under|behind|above|below|near|next|between"
    r"|beside|inside|left|right|up|down)\b)",
    "painted|coloured|colored|set to|marked|labelled|labeled|titled|entitled",
    "called|named|made of|built in|located|dated|(?:people|persons|those|adults|women|men) aged",
    "(?:signed|written|painted|drawn|made|created|published|designed|directed|built|composed|taken|invented"
    "|issued|prepared"
    "|produced|developed|discovered|edited|recorded|photographed|sculpted) by",
    "only|just|exactly|about|approximately|a total of",
)
LEAD_IN = re.compile(
    rf"(?:(?:{_FIRST_OF_ALL})\b\s*[,:]?\s+){{0,3}}(?:{_SEEN_IN})?(?:{_I_THINK})?"
    rf"(?:(?:(?:{_IT})(?:'s|'re|\s+(?:{_DOES}):?)|{_SUBJECT}\s(?:{_DOES_TOO}):?)\s+)?"
    rf"(?:(?:{SURELY})\s+)?(?:(?:{_MADE})\s+)?",
    re.IGNORECASE,
)
"""What may stand before an answer in its own sentence."""

PREPOSITION = re.compile(r"(?:at|in|on|by|with|from|to|towards?)\s+", re.IGNORECASE)
"""What may stand before a name, a year or a place."""

DISCLAIMER = re.compile(
    r"\W*(?:as an ai\b[^,.]{0,40},?\s)?(?:i|we|as an ai)\b(?=[^0-9]{0,80}(?:n't|\bnot\b|\bcannot\b"
    r"|\bno\b))(?![^,]{0,80}\b(?:sure|certain|confident)\b)"
    r"[^0-9.;:]{3,120}?,?\s(?:but|however|though)\s(?=\w)",
    re.IGNORECASE,
)
"""What someone can't or won't say, before what they do."""

THING = r"(?:[^,.;:()\[\]]|[.,:](?=[0-9])|(?<=\b[A-Z])\.|[(\[][^()\[\]]{1,40}[)\]])"
"""A character of what is named, or what stands in brackets."""
CONTRAST = re.compile(
    rf"(?<=[\w)\]%°])[)\"']?(?:,\s(?:and\s)?not|\sand\snot|,?\s(?:rather than|instead"
    rf" of))\s(?!sure|certain|yet){THING}{{1,60}}?(?=[.!]?$|,\s(?:as|because|since|given|judging|based)\b)"
)
"""What an answer is not, behind it."""

ADDED = re.compile(
    rf",?\s(?:{SURELY}|i(?:'m| am) (?:sure|certain|confident)|no matter (?:what|how|who)\b[^.;\n]{{0,60}}"
    r"|regardless(?: of [^.;\n]{0,60})?|is the (?:(?:correct|right|best) )?(?:answer|choice)"
    r"|based on (?:the|this) (?:image|picture|photo|chart)"
    r"|it is|it seems|by the way|as requested|so to speak|in (?:this|the)"
    r" (?:image|picture|photo))"
    r"(?=[.!]?$)",
    re.IGNORECASE,
)
"""What may stand behind an answer and changes nothing."""

CLOSING = re.compile(
    r"\W*(?:let me know|i hope|hope th|feel free|if you(?:'d| would)? (?:have|need|want|like|wish)|is there"
    r" anything)\b",
    re.IGNORECASE,
)
"""What ends a letter and answers nothing."""

OPENING = re.compile(
    r"\W*(?:(?:sure|okay|ok|certainly|of course)\b[^\n0-9]{0,60}|let me (?:look|see|think"
    r"|check)[^\n0-9]{0,40})[.!:]?\s*$",
    re.IGNORECASE,
)
"""What begins one."""

CHECK = re.compile(
    r"\W*(?:check|checking|verification|proof|to (?:check|verify))\b:?[^\n]{0,80}=|[\W_]*$", re.IGNORECASE
)
"""Goes through a calculation again, or is a tick."""

RESULT_LABEL = re.compile(
    r"(?:[^\W\d_]+\s)?(?:total|sum|answer|result|difference|final(?: value)?|altogether|average|mean|value|simplified"
    r"|reduced|in (?:lowest|simplest) terms|count|conclusion|outcome)$",
    re.IGNORECASE,
)
"""A label that says that what follows is the result."""

_VERDICT = r"(?:verdict|scor|grad|rat(?:ed|ing)|reward|judge|\bpoints?\b|\bmarks?\b|correct|solution [0-9])"
_NO_LABEL = r"(?:if|unless|when|assuming|suppos|provided|in case|should|were|had|without|not|wrong|incorrect|false)\b"
LABEL = re.compile(
    rf"(?![^:]{{0,30}}{_VERDICT})(?!{_NO_LABEL}|[^:]{{0,20}}\b(?:mistake|error|wrong|incorrect)\b)"
    r"(?:[^\W\d_]|no\.)[\w .#'-]{1,30}(?<! is)(?<! are):\s+",
    re.IGNORECASE,
)
"""`Total: `, `Invoice No.: `, but not `Score: `."""

EXPLANATION = re.compile(
    r"\n[#* \t]{0,6}(?:explanation|reasoning|reason|rationale|justification|notes?|because|analysis|why)\b",
    re.IGNORECASE,
)
"""A line from which on only reasons follow."""

HAN_IF = r"(?:如果|若|假如|假设|倘若|要是)"
