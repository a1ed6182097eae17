"""Words that may stand around an answer and change nothing, and words that change it, whatever the question is."""

from rilctl.engines.judging.rules.read.clauses import stem
from rilctl.engines.judging.rules.read.phrases import NUMBER_WORDS, SMALL_WORDS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in text.split())


_FUNCTION = (
    "a an the of in on at by to as and or so thus therefore hence then now too also well it its it's that that's"
    " this these those there there's here i i'm i've i'd i'll we we're he he's she she's they they're you me my mine"
    " our us his her their your is are was were be been am do does did done has have had having can will would shall"
    " must s m d re ve ll per each out up down off over under above below between among amongst around along across"
    " through within near next beside behind front inside outside onto into from for with about because since due"
    " given according where which who what when while both none nor neither no not yes okay ok sure ah oh hmm let"
)
_GENERIC = (
    "answer option choice letter statement result value number total sum count amount quantity figure digit"
    " difference product quotient ratio average mean median mode range minimum maximum percentage percent fraction"
    " probability rate share portion unit units cost price colour color object thing item place location position"
    " side text sign label caption title headline heading inscription writing logo name display screen reading chart"
    " graph diagram table plot map bar line slice column row axis legend arrow needle pointer hand scale dial gauge"
    " clock document page form receipt bill invoice card poster board plate badge note message image picture photo"
    " photograph scene view date year time day month hour minute type kind word phrase expression equation function"
    " formula angle length width height area volume perimeter radius diameter sequence solution conclusion response"
    " output final correct right true exact actual real overall altogether simply only just exactly precisely"
    " approximately about roughly around best single whole half quarter triple full part top bottom left middle"
    " centre center upper lower corner background foreground mark data point way case one ones both question problem"
    " step reason information detail calculation method rule property theorem law integral derivative antiderivative"
    " limit slope gradient determinant denominator numerator radicand discriminant vertex coefficient remainder"
    " eigenvalue vector matrix hypotenuse"
)
_VERBS = (
    "interval notation form decimal standard scientific code postal zip differ"
    " show display read say list give indicate name depict feature contain hold bear state come go stand lie sit"
    " belong locate call leave consist look appear seem make write print mark label carry present represent denote"
    " mean equal measure weigh cost last total amount reach need take get find obtain see count calculate compute"
    " evaluate simplify reduce add subtract multiply divide yield become turn work sum result follow conclude choose"
    " pick select think believe answer examine look inspect observe analyse analyze determine identify describe"
    " correspond match fit suggest confirm imply tell know use apply set solve round convert combine substitute base"
    " judge visible seen shown clear evident point range start begin end finish open close happen pay spend sell buy"
    " earn remain keep left live eat drink wear born"
)
_DENYING = (
    "don't doesn't didn't isn't aren't wasn't weren't haven't hasn't hadn't can't couldn't won't wouldn't shouldn't"
    " wait actually people aged age old again carefully closely twice tax including included together combined long"
    " wide tall high deep brief short like toward towards currency dollars cents euros pounds usd eur gbp percent"
    " kilograms metres meters newtons joules watts volts amperes ohms grams litres liters seconds miles inches"
)
"""What is denied is for others to tell."""
_SURE = (
    "course fact indeed clearly obviously evidently apparently certainly definitely surely absolutely likely"
    " probably presumably really certain clear evident confident doubt undoubtedly undoubted without beyond"
)
_SUMS = (
    "plus minus times divided multiplied negative positive square squared cubed root power sqrt frac dfrac tfrac"
    " cdot times div pm left right text mathrm mathbf boxed quad begin end pi circ degree int lim log ln sin cos tan"
    " gcd lcm approx le ge leq geq implies therefore dozen pair couple zero point equals altogether in lowest"
    " simplest terms"
)
_MATHEMATICS = (
    "factor expand differentiate integrate rearrange collect cancel substitution binomial theorem chain identity"
    " quadratic polynomial pythagorean cosine sine tangent remain arrive"
)
_CALENDAR = (
    "january february march april may june july august september october november december jan feb mar apr jun jul"
    " aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun"
    " am pm noon midnight o'clock past morning afternoon evening night st nd rd th"
)
_ABROAD = (
    "la le les el los las il lo gli der die das den dem ein eine einen un une una uno um uma o os as het een de en"
    " et y e und réponse bonne correcte exacte antwort richtige korrekte lautet respuesta correcta opción risposta"
    " corretta opzione resposta correta opção alternativa antwoord juiste goede svar svaret rätt rätta odpowiedź"
    " odpowiedz poprawna cevap doğru est sont ist sind es son è sono é são is zijn c'est ce sont il elle on ils"
    " elles sie er y a hay ci c'è há jest är voit vois sehe sieht veo vedo vejo donc alors also entonces quindi"
    " então portanto dus finale endgültige final ans qu im jahr jahre année en año anno ano nel dans auf bild foto"
    " image imagen immagine imagem"
)
"""Of other languages."""
KNOWN = (
    _stems(" ".join((_DENYING, _ABROAD, _FUNCTION, _GENERIC, _VERBS, _SURE, _SUMS, _MATHEMATICS, _CALENDAR)))
    | _stems(NUMBER_WORDS.replace("|", " "))
    | frozenset(map(stem, SMALL_WORDS))
)
"""Stems that say nothing of another thing, view, time or speaker."""

_TURNS = (
    "approaches approaching tends"
    " almost nearly barely hardly scarcely rarely seldom never far except besides excluding apart unlike versus"
    " instead former formerly previous previously earlier originally original initial initially once before until"
    " till no-longer anymore outdated ex late ago future soon later afterwards tomorrow yesterday used wish hope"
    " pretend imagine suppose supposed supposedly alleged allegedly reportedly rumour rumor rumoured claim claimed"
    " assume assumed assuming assumption hypothetical hypothetically suspect fear wonder doubtful dubious"
    " questionable debatable disputed contested unverified unconfirmed unsupported unsure uncertain unclear unknown"
    " unlikely implausible plausible impossible possibility possible possibly perhaps maybe might could candidate"
    " candidates tempting temptation distractor decoy trap trick typo mistake mistaken mistakenly error erroneous"
    " erroneously wrong wrongly incorrect incorrectly false falsely untrue liar fake invalid invalidated"
    " misconception myth fallacy misread misreading misleading contradict contradiction contradictory contrary"
    " opposite inverse reverse reversed mirror mirrored fail fails failed reject rejected dismiss dismissed discard"
    " discarded eliminate eliminated exclude excluded avoid ignore ignored disregard forget scratch strike cross"
    " crossed retract retracted withdraw withdrawn deny denied refute refuted refuse disagree oppose replace"
    " replaced changed change swapped switch considered consider considering tried attempt attempted draft guess"
    " guessed guessing instinct intuition impression temptation fool foolish idiot silly joke joking kidding"
    " nonsense ridiculous absurd invented fabricated hallucinated placeholder example examples instance e.g sample"
    " format template hint expected expect reference key grader grade reward score verdict colleague neighbour"
    " neighbor friend brother sister student pupil teacher professor expert experts somebody someone anyone anybody"
    " nobody everybody everyone others wikipedia internet sources rumours user system assistant model child kid if"
    " unless whether provided condition otherwise either alternatively alternative else mutually typically usual"
    " usually normal normally commonly elsewhere another others worst least second-best runner-up second-placed idea"
    " clue undecided torn toss blurry illegible unreadable blurred "
)
TURNING = _words(_TURNS)
"""Words that may deny, hedge, withdraw or attribute what they stand beside, or speak of another thing."""
META = _stems(
    "answer option choice letter statement result value number total image picture photo question correct right"
    " final word given shown following single directly phrase please option's choices"
) | _stems(_FUNCTION)
"""Stems of a question that don't tell what it is about."""
TAKING_BACK = TURNING - _words(
    "before once until till later late soon future if unless whether example expect expected friend typically"
    " normally usually commonly change changed considering hope another others except"
)
"""Those that say so of what stands before."""
