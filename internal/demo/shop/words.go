package shop

var firstNames = []string{
	"Anna", "Lena", "Marie", "Sophie", "Katharina", "Julia", "Johanna", "Clara", "Emilia", "Frieda", "Greta", "Hannah", "Ida", "Jasmin", "Käthe",
	"Zoé", "Aylin", "Leyla", "Olga", "Renée", "Søren", "Lukas", "Jonas", "Felix", "Paul", "Maximilian", "Moritz", "Jakob", "Anton", "Emil", "Theo",
	"Karl", "Jürgen", "Götz", "Björn", "Henning", "Mehmet", "Ivan", "François", "Noah", "Ben", "Oskar", "Konrad", "Ludwig", "Matteo", "Nils", "Åsa",
}

var lastNames = []string{
	"Schmidt", "Müller", "Weber", "Fischer", "Wagner", "Becker", "Hoffmann", "Schäfer", "Koch", "Bauer", "Richter", "Klein", "Wolf", "Schröder",
	"Neumann", "Schwarz", "Zimmermann", "Braun", "Krüger", "Hofmann", "Hartmann", "Lange", "Werner", "Krause", "Lehmann", "Köhler", "Herrmann",
	"König", "Walter", "Mayer", "Huber", "Kaiser", "Fuchs", "Peters", "Lang", "Scholz", "Möller", "Weiß", "Jung", "Hahn", "Vogel", "Friedrich",
	"Keller", "Günther", "Frank", "Berger", "Winkler", "Roth", "Beck", "Lorenz", "Baumann", "Franke", "Albrecht", "Schuster", "Simon", "Ludwig",
	"Böhm", "Winter", "Kraus", "Martin", "Schumacher", "Krämer", "Vogt", "Stein", "Jäger", "Otto", "Sommer", "Groß", "Seidel", "Heinrich", "Brandt",
	"Yıldırım", "Nowak", "Kowalski", "Petrov", "D'Angelo", "O'Brien", "García", "de Vries", "Sørensen",
}

// domains look like those of mail providers and are none that their author knows of.
var domains = []string{
	"nordpost-mail.de", "brieftaube24.de", "mailhafen-online.de", "postfach-sued.at", "alpenmail-direkt.ch", "schreibmir-privat.net", "heimnetz-mail.eu", "lindner-und-soehne.de",
}

var streets = []string{
	"Lindenweg", "Hauptstraße", "Bahnhofstraße", "Am Mühlbach", "Gartenstraße", "Goethestraße", "Schulgasse", "Ringstraße", "Birkenallee", "Marktplatz",
}

var cities = []string{
	"Hamburg", "Berlin", "Köln", "Leipzig", "Bremen", "Freiburg", "Erfurt", "Kassel", "Rostock", "Augsburg", "Münster", "Göttingen",
}

// conversations are formats with the full name, the last name, a number of a case and a phone number.
var conversations = []string{
	"%1$s called about case %3$s: the parcel was left with a neighbour, who is not at home. Call back under %4$s.",
	"Spoke with Mr or Ms %2$s. The card was charged twice, refund promised by Friday. (Case %3$s)",
	"Case %3$s\n%1$s wants the invoice sent to another address and asks us to confirm by phone: %4$s",
	"Complaint by %1$s, very upset. Apologised, sent a voucher. %2$s agreed to wait until Monday.",
	"%2$s moved, new address is in the profile now. Number %4$s is still right.",
	"Asked %1$s for a photo of the damage (case %3$s). Nothing came yet.",
}
