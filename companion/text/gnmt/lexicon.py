"""Chapter 1.1, words of the English-French grammar: tables that its other rooms inflect.

Every English word of one kind has one French word, of one gender, so a sentence has one
translation. Words stand in the order of their rank: the grammar draws the first most often.
`/` separates an irregular form from its base; the last column of a verb is how it is used.
The words after `RARE` are drawn so seldom that training sees each of them once to three times.
"""

# english[/plural] french[/plural] gender
PERSONS = """
man/men homme m, woman/women femme f, boy garçon m, girl fille f, child/children enfant m,
king roi m, teacher professeur m, doctor médecin m, mother mère f, father père m, queen reine f,
neighbour voisin m, brother frère m, sister sœur f, baker boulanger m, artist artiste m,
farmer fermier m, aunt tante f, uncle oncle m, engineer ingénieur m, princess princesse f,
hero/heroes héros m
RARE astronomer astronome m, gardener jardinier m, inventor inventeur m, emperor empereur m,
journalist journaliste m, acrobat acrobate m, philosopher philosophe m, historian historien m,
musician musicien m, electrician électricien m, ambassador ambassadeur m, stewardess hôtesse f
"""

ANIMALS = """
dog chien m, cat chat m, horse/horses cheval/chevaux m, bird oiseau/oiseaux m, cow vache f,
fish/fishes poisson m, mouse/mice souris f, sheep/sheep mouton m, wolf/wolves loup m,
owl hibou/hiboux m, ant fourmi f, lion lion m
RARE elephant éléphant m, crocodile crocodile m, tortoise tortue f, kangaroo kangourou m,
panther panthère f, heron héron m, lizard lézard m, giraffe girafe f
"""

THINGS = """
book livre m, car voiture f, door porte f, tree arbre m, letter lettre f, table table f, key clé f,
box boîte f, picture image f, window fenêtre f, knife/knives couteau/couteaux m, flower fleur f,
hat chapeau/chapeaux m, chair chaise f, boat bateau/bateaux m, shoe chaussure f, dress robe f,
newspaper journal/journaux m, apple pomme f, egg œuf m, orange orange f, lamp lampe f,
coat manteau/manteaux m, glass verre m, bed lit m, tool outil m, jewel bijou/bijoux m,
gift cadeau/cadeaux m, umbrella parapluie m, axe hache f, bean haricot m
RARE telescope télescope m, violin violon m, compass/compasses boussole f, telephone téléphone m,
guitar guitare f, statue statue f, parachute parachute m, helmet casque m, candle bougie f,
lantern lanterne f, artichoke artichaut m, harp harpe f, pyramid pyramide f, trumpet trompette f
"""

PLACES = """
house maison f, garden jardin m, school école f, market marché m, park parc m, station gare f,
church église f, castle château/châteaux m, hotel hôtel m, village village m,
library bibliothèque f, museum musée m, hospital hôpital/hôpitaux m, farm ferme f,
office bureau/bureaux m, bridge pont m, beach plage f, island île f
RARE cathedral cathédrale f, stadium stade m, monastery monastère m, laboratory laboratoire m,
lighthouse phare m, aquarium aquarium m
"""

# Mass nouns: no plural, "some" is the partitive article.
FOODS = """
water eau f, bread pain m, milk lait m, wine vin m, meat viande f, soup soupe f, cheese fromage m,
oil huile f, coffee café m, rice riz m, money argent m, paper papier m
RARE mustard moutarde f, vinegar vinaigre m, chocolate chocolat m, caviar caviar m
"""

NAMES = """
paul m, marie f, anne f, pierre m, hélène f, louis m, alice f, henri m, jeanne f, antoine m,
sophie f, hugo m
"""

# english[/comparative] french[/feminine[/masculine plural]]; the sort: which nouns it goes with
BEFORE = """
big/bigger grand any, small/smaller petit any, old/older vieux/vieille any,
new/newer nouveau/nouvelle/nouveaux thing, young/younger jeune living,
beautiful beau/belle/beaux any, pretty/prettier joli any, long/longer long/longue thing,
nice/nicer gentil/gentille living, fat/fatter gros/grosse living, good/better bon/bonne any
"""
AFTER = """
red rouge thing, white blanc/blanche other, rich/richer riche living, black noir other,
blue bleu other, green vert thing, strong/stronger fort living, english anglais any,
french français any, happy/happier heureux/heureuse living, sad/sadder triste living,
dangerous dangereux/dangereuse any, expensive cher/chère thing, tired fatigué living,
yellow jaune thing, cold/colder froid food, broken cassé thing, closed fermé place,
quiet tranquille any, empty/emptier vide thing, famous célèbre any, lost perdu any,
brave courageux/courageuse living, heavy/heavier lourd thing, hidden caché any,
clean/cleaner propre any, royal royal/royale/royaux thing, open ouvert place,
wooden en_bois/en_bois/en_bois thing, fresh/fresher frais/fraîche/frais food
RARE romantic romantique any, gigantic gigantesque any, mysterious mystérieux/mystérieuse any,
generous généreux/généreuse living, ambitious ambitieux/ambitieuse living, portuguese portugais any,
square carré thing, octagonal octogonal/octogonale/octogonaux thing, invisible invisible any,
electric électrique thing
"""

# english base[/past[/participle[/-ing]]] particle? = french infinitive use
#   any person thing food: a direct object of that sort; to of: French à, de before the object
#   none: no object; place: towards a place; in: French "dans" before a place
VERBS = """
see/saw/seen voir any, find/found trouver any, love aimer+ any, have/had avoir+ thing,
want vouloir+ thing, take/took/taken/taking prendre thing, look_for chercher any,
know/knew/known connaître+ any, buy/bought acheter thing, hear/heard entendre any,
watch regarder any, eat/ate/eaten manger food, open ouvrir thing,
lose/lost/lost/losing perdre thing, close fermer thing, wait_for attendre any, help aider person,
write/wrote/written/writing écrire letter, meet/met rencontrer person, follow suivre any,
call appeler person, drink/drank/drunk boire drink, forget/forgot/forgotten/forgetting oublier any,
leave/left quitter any, break/broke/broken casser thing, understand/understood comprendre person,
listen_to écouter person, build/built construire place, choose/chose/chosen choisir thing,
keep/kept garder thing, invite inviter person, hide/hid/hidden cacher any,
throw/threw/thrown jeter thing, prefer/preferred/preferred/preferring préférer+ any,
steal/stole/stolen voler thing, hold/held tenir thing, receive recevoir thing, finish finir letter,
answer répondre person:à, obey obéir person:à, look_like ressembler+ any:à, talk_to parler person:à,
need avoir_besoin+ any:de, dream_of rêver any:de, remember se_souvenir+ any:de,
look_after s'occuper living:de, sleep/slept dormir none, work travailler none,
sing/sang/sung chanter none, laugh rire none, arrive arriver none, fall/fell/fallen tomber none,
run/ran/run/running courir none, leave/left partir none, stay rester none, play jouer none,
die/died/died/dying mourir none, get_up/got_up/got_up/getting_up se_lever none,
stop/stopped/stopped/stopping s'arrêter none, go/went/gone aller place, return retourner place,
come_back/came_back/come_back/coming_back revenir place, come/came/come/coming venir place,
live habiter in, enter entrer enter, get_lost/got_lost/got_lost/getting_lost se_perdre in
RARE photograph photographier any, congratulate féliciter person, hypnotise hypnotiser person,
abandon abandonner any, measure mesurer thing, decorate décorer thing, insult insulter person,
consult consulter person, polish polir thing, hesitate hésiter none, stroll se_promener none
"""

# What is given to somebody: double when English allows "gives me the book".
GIVING = """
give/gave/given donner double, show/showed/shown montrer double, sell/sold vendre double,
send/sent envoyer double, bring/brought apporter double, lend/lent prêter double,
offer offrir double, explain expliquer plain, describe décrire plain, promise promettre double
"""

# Verbs before "that", before "if", and before an infinitive with the French preposition.
THAT = """
say/said dire, think/thought penser+, know/knew/known savoir+, believe croire+, hope espérer,
learn apprendre, explain expliquer, answer répondre, announce annoncer, notice remarquer
"""
IF = """
ask demander, wonder se_demander
"""
INFINITIVE = """
try essayer de, begin/began/begun/beginning commencer à, decide décider de, refuse refuser de,
like aimer+ -, learn apprendre à, hope espérer -, forget/forgot/forgotten/forgetting oublier de,
continue continuer à, promise promettre de, dare oser -
"""

# "be hungry": French "avoir faim"
FEELINGS = """
hungry faim, thirsty soif, cold froid, right raison, sleepy sommeil, wrong tort, hot chaud,
afraid peur
"""
# Professions that stay the same for a woman: "she is a doctor", "elle est médecin".
PROFESSIONS = """
doctor médecin, teacher professeur, artist artiste, judge juge, engineer ingénieur, writer écrivain,
dentist dentiste, architect architecte, pianist pianiste
"""
WEATHER = """
rain pleuvoir, snow neiger
"""

FREQUENCY = "often souvent, always toujours, sometimes parfois, already déjà"
MANNER = """
quickly rapidement, well bien, slowly lentement, easily facilement, badly mal,
quietly tranquillement, carefully soigneusement, patiently patiemment, secretly secrètement
"""

# english | french | the tenses it goes with: p(resent), d (past), f(uture), a(ny)
TIMES = """
yesterday | hier | d
today | aujourd'hui | a
tomorrow | demain | f
every day | chaque jour | p
now | maintenant | p
last week | la semaine dernière | d
this morning | ce matin | d
on monday | lundi | a
next year | l'année prochaine | f
in the evening | le soir | p
last night | la nuit dernière | d
three days ago | il y a trois jours | d
in summer | en été | a
on sunday | dimanche | a
two years ago | il y a deux ans | d
next week | la semaine prochaine | f
in winter | en hiver | a
at noon | à midi | a
on friday | vendredi | a
an hour ago | il y a une heure | d
in spring | au printemps | a
in two hours | dans deux heures | f
every year | chaque année | p
at midnight | à minuit | a
"""
AT = """
in | dans
near | près de
behind | derrière
in front of | devant
next to | à côté de
far from | loin de
opposite | en face de
"""
ON = """
on | sur
under | sous
in front of | devant
near | près de
behind | derrière
next to | à côté de
"""

# Verb tables: infinitive: present | past participle | future stem | auxiliary, if it is être
IRREGULAR = """
être: suis es est sommes êtes sont | été | ser
avoir: ai as a avons avez ont | eu | aur
aller: vais vas va allons allez vont | allé | ir | être
venir: viens viens vient venons venez viennent | venu | viendr | être
revenir: reviens reviens revient revenons revenez reviennent | revenu | reviendr | être
souvenir: souviens souviens souvient souvenons souvenez souviennent | souvenu | souviendr
tenir: tiens tiens tient tenons tenez tiennent | tenu | tiendr
voir: vois vois voit voyons voyez voient | vu | verr
vouloir: veux veux veut voulons voulez veulent | voulu | voudr
pouvoir: peux peux peut pouvons pouvez peuvent | pu | pourr
devoir: dois dois doit devons devez doivent | dû | devr
savoir: sais sais sait savons savez savent | su | saur
recevoir: reçois reçois reçoit recevons recevez reçoivent | reçu | recevr
prendre: prends prends prend prenons prenez prennent | pris | prendr
apprendre: apprends apprends apprend apprenons apprenez apprennent | appris | apprendr
comprendre: comprends comprends comprend comprenons comprenez comprennent | compris | comprendr
connaître: connais connais connaît connaissons connaissez connaissent | connu | connaîtr
ouvrir: ouvre ouvres ouvre ouvrons ouvrez ouvrent | ouvert | ouvrir
offrir: offre offres offre offrons offrez offrent | offert | offrir
écrire: écris écris écrit écrivons écrivez écrivent | écrit | écrir
décrire: décris décris décrit décrivons décrivez décrivent | décrit | décrir
dire: dis dis dit disons dites disent | dit | dir
croire: crois crois croit croyons croyez croient | cru | croir
boire: bois bois boit buvons buvez boivent | bu | boir
suivre: suis suis suit suivons suivez suivent | suivi | suivr
construire: construis construis construit construisons construisez construisent | construit | construir
promettre: promets promets promet promettons promettez promettent | promis | promettr
dormir: dors dors dort dormons dormez dorment | dormi | dormir
partir: pars pars part partons partez partent | parti | partir | être
courir: cours cours court courons courez courent | couru | courr
rire: ris ris rit rions riez rient | ri | rir
mourir: meurs meurs meurt mourons mourez meurent | mort | mourr | être
pleuvoir: pleus pleus pleut pleuvons pleuvez pleuvent | plu | pleuvr
envoyer: envoie envoies envoie envoyons envoyez envoient | envoyé | enverr
"""
WITH_ETRE = ("arriver", "tomber", "rester", "retourner", "entrer")
# An h that blocks elision: "le héros", "la hache".
ASPIRATED = ("héros", "hibou", "hiboux", "hache", "haches", "haricot", "haricots", "héron", "hérons",
             "harpe", "harpes")  # fmt: skip
