/**
 * 256 short words of everyday English, one for each byte, chosen for this list so that two of them are not taken for
 * one another when read aloud. Their order is part of what people compare: it never changes.
 */
const WORDS: readonly string[] = `
acorn actor alarm album amber angel ankle apple apron arrow atlas autumn
bacon badge bagel baker bamboo banana barrel basket beacon beaver bishop blanket blossom bonnet bottle bridge bronze
bucket buffalo bumper button cabin cactus camel candle canoe canyon carpet carrot castle cattle cedar cellar chalk
cherry chimney circus citrus clover cobalt coffee comet copper coral cotton cougar cradle crayon cricket crystal
cloud compass curtain dagger daisy dancer dentist desert diamond dinner dolphin domino donkey dragon drummer eagle early echo elbow elephant
emerald engine envelope fabric falcon family feather fiddle finger flamingo flower forest fossil fountain fox freezer frog
galaxy garden garlic gentle giant ginger giraffe glacier goblin gold gorilla granite grape guitar hammer harbor
hazel helmet heron hockey honey horizon hotel hunter iceberg igloo indigo insect island ivory jacket jaguar jelly
jigsaw jungle juniper kangaroo kettle kitchen kitten koala ladder lagoon lantern lemon leopard lettuce library lilac lizard
lobster locket lumber magnet maple marble market meadow melon mirror mitten monkey morning mosaic mountain muffin museum
napkin needle nickel ninja north nougat nugget oasis ocean octopus olive onion opera orange orchid otter owl oyster
paddle palace panda paper parade parrot pebble pelican pencil pepper piano picnic pigeon pillow pirate planet pocket pony potato
pumpkin puzzle quartz queen rabbit radio rainbow raven ribbon river robin rocket saddle salmon sandal satin saxophone scarf
sculptor shadow silver spider squirrel sunset tango teacher teapot temple thunder tiger timber tomato tractor trumpet tulip turtle
umbrella uncle valley vanilla velvet violin volcano voyage waffle walnut whistle window winter wizard yellow zebra zipper
`
  .trim()
  .split(/\s+/);

/** Words of a fingerprint: 64 bits are more than anybody searches through for a certificate that sounds alike. */
const COUNT = 8;

/** A device id in words, for comparing aloud: the first eight bytes of it. Pure. */
export function wordsOf(deviceId: string): string {
  const bytes = [...Buffer.from(deviceId, 'hex').subarray(0, COUNT)];
  return bytes.map((byte) => WORDS[byte] ?? '').join(' ');
}
