package org.infinilm.svc.discovery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.netty.handler.codec.dns.DnsResponseCode;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Against a name server on loopback. Looks are made by hand: what a look says to wait is what is
/// asserted of time.
class DnsSourceIT {
  private final Heard heard = new Heard();
  private volatile ResolvConf conf = ResolvConf.NONE;
  private NameServer server;
  private DnsSource source;

  @BeforeEach
  void begin() throws Exception {
    server = new NameServer();
  }

  @AfterEach
  void end() {
    if (source != null) {
      source.close();
    }
    server.close();
  }

  private void open(String spec, String... search) throws Exception {
    conf = new ResolvConf(List.of(), List.of(search), 5);
    source =
        new DnsSource(
            (SourceSpec.Dns) SourceSpec.list(spec + ",server=" + server.at(), "x").getFirst(),
            () -> conf);
  }

  private Duration look() throws InterruptedException {
    return source.step(heard);
  }

  @Test
  void eachAddressIsAnInstanceAndTheAnswersTimeIsKept() throws Exception {
    server.addresses("llm.example", 7, "10.0.0.2", "10.0.0.1");
    open("dns:llm.example:8100,cache_type=paged");
    assertThat(look()).isEqualTo(Duration.ofSeconds(7));
    assertThat(heard.urls())
        .containsExactly(
            "http://llm.example:8100 at 10.0.0.1", "http://llm.example:8100 at 10.0.0.2");
    assertThat(heard.last().getFirst().options()).containsOnlyKeys("cache_type");
    server.addresses("llm.example", 0, "10.0.0.3");
    assertThat(look()).as("0 would be a load").isEqualTo(DnsSource.LEAST);
    assertThat(heard.urls()).containsExactly("http://llm.example:8100 at 10.0.0.3");
    server.addresses("llm.example", 86_400, "10.0.0.3");
    assertThat(look()).isEqualTo(DnsSource.MOST_TTL);
  }

  @Test
  void followsByItself() throws Exception {
    server.addresses("llm.example", 1, "10.0.0.1");
    open("dns:llm.example");
    source.start(heard);
    await().atMost(Duration.ofSeconds(20)).until(() -> heard.urls().size() == 1);
    server.addresses("llm.example", 1, "10.0.0.1", "10.0.0.2");
    await().atMost(Duration.ofSeconds(20)).until(() -> heard.urls().size() == 2);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void aServerThatKnowsNoEdnsIsAskedWithoutItFromThenOn(int code) throws Exception {
    server.saysToEdns(DnsResponseCode.valueOf(code));
    server.addresses("llm.example", 7, "10.0.0.1");
    open("dns:llm.example");
    look();
    assertThat(heard.urls()).containsExactly("http://llm.example:80 at 10.0.0.1");
    assertThat(heard.troubles()).isEmpty();
    server.addresses("llm.example", 7, "10.0.0.1", "10.0.0.2");
    server.mostOverUdp(1);
    int before = server.asked().size();
    look();
    assertThat(heard.urls()).hasSize(2);
    assertThat(server.asked().subList(before, server.asked().size()))
        .containsExactly("udp llm.example. A", "tcp llm.example. A");
  }

  @Test
  void aServerThatUnderstandsNothingIsNamed() throws Exception {
    server.says(DnsResponseCode.FORMERR);
    open("dns:llm.example");
    look();
    assertThat(heard.troubles()).singleElement().asString().contains("says FormErr");
    server.says(DnsResponseCode.NOERROR);
    server.addresses("llm.example", 7, "10.0.0.1");
    int before = server.asked().size();
    look();
    assertThat(heard.urls()).hasSize(1);
    assertThat(server.asked()).as("with EDNS, as before").hasSize(before + 1);
  }

  @Test
  void anAliasHoldsNoLongerThanItSays() throws Exception {
    server.alias("llm.example", 3, "one.example");
    server.alias("one.example", 200, "two.example");
    server.addresses("two.example", 100, "10.0.0.1");
    open("dns:llm.example");
    assertThat(look()).isEqualTo(Duration.ofSeconds(3));
    assertThat(heard.urls()).containsExactly("http://llm.example:80 at 10.0.0.1");
  }

  @Test
  void aliasesInACircleEnd() throws Exception {
    server.alias("llm.example", 3, "one.example");
    server.alias("one.example", 3, "llm.example");
    open("dns:llm.example");
    assertThat(look()).isEqualTo(DnsSource.LEAST);
    assertThat(heard.troubles()).hasSize(1).first().asString().contains("more than 8 aliases");
  }

  @Test
  void aliasesInACircleAreNoWordThatThereIsNothing() throws Exception {
    server.addresses("llm.example", 3, "10.0.0.1");
    open("dns:llm.example");
    look();
    server.aliases(3, "llm.example", "one.example", "llm.example");
    look();
    look();
    assertThat(heard.urls()).containsExactly("http://llm.example:80 at 10.0.0.1");
    assertThat(heard.troubles()).containsExactly("llm.example.: aliases in a circle");
  }

  @Test
  void thatAHostOfAServiceIsGoneIsBelievedWhenItIsSaidTwice() throws Exception {
    server.services("_http._tcp.llm.example", 30, "0 5 80 a.example", "0 5 80 b.example");
    server.addresses("a.example", 20, "10.0.0.1");
    server.addresses("b.example", 20, "10.0.0.2");
    open("dns+srv:_http._tcp.llm.example");
    look();
    List<String> both = heard.urls();
    assertThat(both).hasSize(2);
    for (int k = 0; k < 2; k++) {
      server.addresses("b.example", 20);
      assertThat(look()).as("once").isEqualTo(DnsSource.AGAIN);
      assertThat(heard.urls()).isEqualTo(both);
      assertThat(heard.troubles())
          .hasSize(1)
          .first()
          .asString()
          .contains("b.example", "no address");
      server.addresses("b.example", 20, "10.0.0.2");
      assertThat(look()).isEqualTo(Duration.ofSeconds(20));
      assertThat(heard.troubles()).isEmpty();
    }
    server.addresses("b.example", 20);
    look();
    look();
    assertThat(heard.urls()).as("twice").containsExactly("http://a.example:80 at 10.0.0.1");
  }

  @Test
  void whatAServerFailsToSayChangesNothing() throws Exception {
    server.addresses("llm.example", 60, "10.0.0.1");
    open("dns:llm.example");
    look();
    for (DnsResponseCode code : List.of(DnsResponseCode.SERVFAIL, DnsResponseCode.REFUSED)) {
      server.says(code);
      look();
      look();
      assertThat(heard.urls()).containsExactly("http://llm.example:80 at 10.0.0.1");
      assertThat(heard.troubles()).hasSize(1);
    }
    server.silent(true);
    look();
    assertThat(heard.urls()).hasSize(1);
    assertThat(heard.troubles().getFirst()).contains("llm.example", server.at(), "does not answer");
    server.silent(false);
    server.says(DnsResponseCode.NOERROR);
    assertThat(look()).isEqualTo(Duration.ofSeconds(60));
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void failuresAreAskedForLessAndLessOften() throws Exception {
    server.says(DnsResponseCode.SERVFAIL);
    open("dns:llm.example");
    Duration[] pauses = new Duration[8];
    for (int k = 0; k < pauses.length; k++) {
      pauses[k] = look();
    }
    assertThat(pauses)
        .extracting(Duration::toSeconds)
        .containsExactly(1L, 2L, 4L, 8L, 16L, 30L, 30L, 30L);
    assertThat(heard.times()).as("no answer is no word").isZero();
  }

  @Test
  void thatANameIsGoneIsBelievedWhenItIsSaidTwice() throws Exception {
    server.addresses("llm.example", 60, "10.0.0.1");
    open("dns:llm.example");
    look();
    server.addresses("llm.example", 60);
    assertThat(look()).isEqualTo(DnsSource.AGAIN);
    assertThat(heard.urls()).hasSize(1);
    server.addresses("llm.example", 60, "10.0.0.1");
    look();
    server.addresses("llm.example", 60);
    look();
    assertThat(heard.urls()).as("the first of two again").hasSize(1);
    look();
    assertThat(heard.urls()).isEmpty();
    assertThat(heard.troubles()).containsExactly("llm.example: has no address");
  }

  @Test
  void aNameThatNeverWasIsSaidAtOnce() throws Exception {
    open("dns:llm.example");
    look();
    assertThat(heard.times()).isEqualTo(1);
    assertThat(heard.last()).isEmpty();
  }

  @Test
  void sixIsAskedForWhereThereIsNoFour() throws Exception {
    server.addresses("llm.example", 60, "2001:db8::1", "2001:db8::2");
    open("dns:llm.example");
    look();
    assertThat(heard.last())
        .hasSize(2)
        .first()
        .extracting(Found::address)
        .asString()
        .contains("2001:db8:");
    server.addresses("llm.example", 60, "2001:db8::1", "10.0.0.1");
    look();
    assertThat(heard.urls()).containsExactly("http://llm.example:80 at 10.0.0.1");
  }

  @Test
  void anAnswerThatWasCutOffIsAskedForOverTcpAndManyAddressesAreFew() throws Exception {
    server.addresses(
        "llm.example",
        60,
        IntStream.range(0, 1200)
            .mapToObj(k -> "10.0." + k / 250 + "." + (k % 250 + 1))
            .toArray(String[]::new));
    open("dns:llm.example");
    look();
    assertThat(server.asked()).contains("tcp llm.example. A");
    assertThat(heard.last()).hasSize(1000);
    assertThat(heard.troubles())
        .isNotEmpty()
        .first()
        .asString()
        .contains("more than 1000 addresses");
  }

  @Test
  void aPartOfAnAnswerIsNoAnswer() throws Exception {
    server.addresses("llm.example", 60, "10.0.0.1", "10.0.0.2", "10.0.0.3");
    open("dns:llm.example");
    look();
    List<String> all = heard.urls();
    assertThat(all).hasSize(3);
    server.refuseTcp();
    for (int most : new int[] {1, 0}) {
      server.mostOverUdp(most);
      look();
      look();
      assertThat(heard.urls()).as("%d of 3 over UDP", most).isEqualTo(all);
      assertThat(heard.troubles()).hasSize(1).first().asString().contains("llm.example", "a part");
    }
    server.mostOverUdp(3);
    assertThat(look()).isEqualTo(Duration.ofSeconds(60));
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void thatOneFamilyIsGoneIsBelievedWhenItIsSaidTwice() throws Exception {
    String six = "http://llm.example:80 at 2001:db8::1";
    String four = "http://llm.example:80 at 10.0.0.1";
    server.addresses("llm.example", 60, "10.0.0.1", "2001:db8::1");
    open("dns:llm.example");
    look();
    assertThat(heard.urls()).containsExactly(four);
    for (int k = 0; k < 2; k++) {
      server.addresses("llm.example", 60, "2001:db8::1");
      assertThat(look()).as("once").isEqualTo(DnsSource.AGAIN);
      assertThat(heard.urls()).containsExactly(four);
      assertThat(heard.troubles())
          .hasSize(1)
          .first()
          .asString()
          .contains("llm.example: has no IPv4 address");
      server.addresses("llm.example", 60, "10.0.0.1", "2001:db8::1");
      assertThat(look()).isEqualTo(Duration.ofSeconds(60));
      assertThat(heard.troubles()).isEmpty();
    }
    server.addresses("llm.example", 60, "2001:db8::1");
    look();
    assertThat(look()).as("twice").isEqualTo(Duration.ofSeconds(60));
    assertThat(heard.urls()).containsExactly(six);
    server.addresses("llm.example", 60, "10.0.0.1");
    look();
    assertThat(heard.urls()).as("an address that is there is believed").containsExactly(four);
  }

  @Test
  void noFamilyIsMissedAfterThereWasNone() throws Exception {
    server.addresses("llm.example", 60, "10.0.0.1");
    open("dns:llm.example");
    look();
    server.addresses("llm.example", 60);
    look();
    look();
    assertThat(heard.urls()).isEmpty();
    server.addresses("llm.example", 60, "2001:db8::1");
    look();
    assertThat(heard.urls()).containsExactly("http://llm.example:80 at 2001:db8::1");
  }

  @Test
  void thatOneFamilyOfAServicesHostIsGoneIsBelievedWhenItIsSaidTwice() throws Exception {
    server.services("_http._tcp.llm.example", 30, "1 5 80 a.example", "1 5 81 a.example");
    server.addresses("a.example", 20, "10.0.0.1", "2001:db8::1");
    open("dns+srv:_http._tcp.llm.example");
    look();
    List<String> both = heard.urls();
    server.addresses("a.example", 20, "2001:db8::1");
    assertThat(look()).isEqualTo(DnsSource.AGAIN);
    assertThat(heard.urls()).isEqualTo(both).hasSize(2);
    assertThat(heard.troubles()).hasSize(1);
    look();
    assertThat(heard.urls())
        .containsExactly(
            "http://a.example:80 at 2001:db8::1", "http://a.example:81 at 2001:db8::1");
  }

  @Test
  void serviceRecordsSayPortWeightAndTier() throws Exception {
    server.services(
        "_http._tcp.llm.example",
        30,
        "0 5 8100 a.example",
        "10 0 8200 b.example",
        "0 1 8300 c.example");
    server.addresses("a.example", 20, "10.0.0.1", "10.0.0.2");
    server.addresses("b.example", 60, "10.0.0.3");
    open("dns+srv:_http._tcp.llm.example,cache_type=static");
    assertThat(look()).isEqualTo(Duration.ofSeconds(20));
    assertThat(heard.urls())
        .containsExactly(
            "http://a.example:8100 at 10.0.0.1",
            "http://a.example:8100 at 10.0.0.2",
            "http://b.example:8200 at 10.0.0.3");
    Found b = heard.last().stream().filter(f -> f.url().contains("b.")).findFirst().orElseThrow();
    assertThat(b.options())
        .containsEntry("weight", "1")
        .containsEntry("tier", "11")
        .containsEntry("cache_type", "static");
    assertThat(heard.last().getFirst().options())
        .containsEntry("weight", "5")
        .containsEntry("tier", "1");
    assertThat(heard.troubles())
        .containsExactly(
            "c.example: has no address (expected: one, as _http._tcp.llm.example names it)");
  }

  /// Servers answer in the letters of the question, of the zone, or in mixed ones.
  @Test
  void aHostIsTheSameInAnyLetters() throws Exception {
    server.services("_http._tcp.llm.example", 30, "0 5 8100 A.Example");
    server.addresses("a.example", 20, "10.0.0.1");
    open("dns+srv:_http._tcp.llm.example");
    look();
    assertThat(heard.urls()).containsExactly("http://a.example:8100 at 10.0.0.1");
    server.services("_http._tcp.llm.example", 30, "0 5 8100 a.eXAMPLE");
    server.addresses("a.example", 20);
    look();
    assertThat(heard.urls())
        .as("that it has no address is believed when it is said twice")
        .containsExactly("http://a.example:8100 at 10.0.0.1");
  }

  @Test
  void theLowestPriorityIsTheTierOfWhoNamesNone() throws Exception {
    server.addresses("a.example", 20, "10.0.0.1");
    server.addresses("b.example", 20, "10.0.0.2");
    open("dns+srv:_http._tcp.llm.example");
    for (int first : new int[] {0, 1, 20, 65_000}) {
      server.services(
          "_http._tcp.llm.example",
          30,
          first + " 1 80 a.example",
          first + 3 + " 1 80 b.example",
          "0 1 0 a.example");
      look();
      assertThat(heard.last())
          .extracting(f -> f.options().get("tier"))
          .as("priorities %d and %d", first, first + 3)
          .containsExactly("1", "4");
    }
    source.close();
    open("dns+srv:_http._tcp.llm.example,tier=7");
    look();
    assertThat(heard.last()).extracting(f -> f.options().get("tier")).containsOnly("7");
  }

  @Test
  void ofTwoRecordsForOneAddressTheOrderOfTheAnswerDecidesNothing() throws Exception {
    server.addresses("a.example", 20, "10.0.0.1");
    open("dns+srv:_http._tcp.llm.example");
    for (String[] order :
        new String[][] {
          {"5 1 9 a.example", "0 7 9 a.example"}, {"0 7 9 a.example", "5 1 9 a.example"}
        }) {
      server.services("_http._tcp.llm.example", 30, order);
      look();
      assertThat(heard.last()).hasSize(1);
      assertThat(heard.last().getFirst().options())
          .containsEntry("tier", "1")
          .containsEntry("weight", "7");
    }
  }

  @Test
  void moreAddressesThanAreTakenAreSaidOnce() throws Exception {
    String[] many = new String[1010];
    for (int k = 0; k < many.length; k++) {
      many[k] = "10.1." + k / 256 + "." + k % 256;
    }
    server.addresses("llm.example", 60, many);
    open("dns:llm.example");
    look();
    assertThat(heard.last()).hasSize(1000);
    assertThat(heard.troubles())
        .containsExactly("llm.example: more than 1000 addresses; the rest is left out");
  }

  @Test
  void whatCannotBeReadIsNoAnswer() throws Exception {
    server.services("_http._tcp.llm.example", 30, "0 5 0 a.example", "0 5 80 .");
    open("dns+srv:_http._tcp.llm.example");
    look();
    assertThat(heard.last()).isEmpty();
    assertThat(heard.troubles()).hasSize(3);
  }

  /// As in a pod: many dots before a name is taken as it is.
  @Test
  void aDomainThatFailsHidesNoName() throws Exception {
    server.says("llm.example.broken.test", DnsResponseCode.SERVFAIL);
    server.addresses("llm.example", 60, "10.0.0.1");
    open("dns:llm.example", "ns.svc.test", "broken.test");
    assertThat(look()).isEqualTo(Duration.ofSeconds(60));
    assertThat(heard.urls()).containsExactly("http://llm.example:80 at 10.0.0.1");
    assertThat(heard.troubles()).isEmpty();
    server.addresses("llm.example", 60, "2001:db8::1");
    look();
    look();
    assertThat(heard.urls()).containsExactly("http://llm.example:80 at 2001:db8::1");
  }

  @Test
  void aDomainThatFailsHidesNoService() throws Exception {
    server.says("_http._tcp.llm.example.broken.test", DnsResponseCode.REFUSED);
    server.services("_http._tcp.llm.example", 30, "0 5 80 a.example");
    server.addresses("a.example", 20, "10.0.0.1");
    open("dns+srv:_http._tcp.llm.example", "broken.test");
    assertThat(look()).isEqualTo(Duration.ofSeconds(20));
    assertThat(heard.urls()).containsExactly("http://a.example:80 at 10.0.0.1");
  }

  @Test
  void thatANameIsInNoDomainIsNotSaidWhileOneFails() throws Exception {
    server.addresses("llm.example", 60, "10.0.0.1");
    server.says("llm.example.broken.test", DnsResponseCode.SERVFAIL);
    open("dns:llm.example", "broken.test", "empty.test");
    look();
    server.addresses("llm.example", 60);
    look();
    look();
    assertThat(heard.urls()).containsExactly("http://llm.example:80 at 10.0.0.1");
    assertThat(heard.troubles()).hasSize(1);
    assertThat(heard.troubles().getFirst())
        .startsWith("llm.example.broken.test.: name server " + server.at() + " says SERVFAIL");
    server.says("llm.example.broken.test", DnsResponseCode.NOERROR);
    look();
    look();
    assertThat(heard.urls()).isEmpty();
  }

  /// Another server of that name, in a domain behind it, is not meant.
  @Test
  void aDomainThatFailsIsNotLookedPastWhereTheNameWasLast() throws Exception {
    server.addresses("llm.near.test", 60, "10.0.0.1");
    server.addresses("llm.far.test", 60, "10.9.9.9");
    open("dns:llm", "near.test", "far.test");
    look();
    for (int k = 0; k < 2; k++) {
      server.says("llm.near.test", DnsResponseCode.SERVFAIL);
      look();
      look();
      assertThat(heard.urls()).containsExactly("http://llm:80 at 10.0.0.1");
      assertThat(heard.troubles()).hasSize(1).first().asString().startsWith("llm.near.test.: ");
      server.says("llm.near.test", DnsResponseCode.NOERROR);
      look();
      assertThat(heard.troubles()).isEmpty();
    }
    server.addresses("llm.near.test", 60);
    look();
    assertThat(heard.urls())
        .as("it is said not to be there")
        .containsExactly("http://llm:80 at 10.9.9.9");
    server.says("llm.near.test", DnsResponseCode.SERVFAIL);
    look();
    assertThat(heard.urls()).containsExactly("http://llm:80 at 10.9.9.9");
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void whereIpv6WasLastIsNotLookedPastEither() throws Exception {
    server.addresses("llm.near.test", 60, "2001:db8::1");
    server.addresses("llm.far.test", 60, "2001:db8::9");
    open("dns:llm", "near.test", "far.test");
    look();
    assertThat(heard.urls()).containsExactly("http://llm:80 at 2001:db8::1");
    server.says("llm.near.test", DnsResponseCode.SERVFAIL);
    look();
    look();
    assertThat(heard.urls()).containsExactly("http://llm:80 at 2001:db8::1");
    assertThat(heard.troubles()).hasSize(1).first().asString().startsWith("llm.near.test.: ");
  }

  /// A start at which the first family cannot be told.
  @Test
  void ipv6DoesNotCountWhileIpv4IsNotKnown() throws Exception {
    server.addresses("llm.example", 60, "10.0.0.1", "2001:db8::1");
    server.says("llm.example", DnsResponseCode.SERVFAIL);
    open("dns:llm.example", "a.test");
    look();
    assertThat(heard.times()).isZero();
    assertThat(server.asked()).doesNotContain("udp llm.example. AAAA");
  }

  @Test
  void domainsAreReadAnew() throws Exception {
    server.addresses("llm.new.test", 60, "10.0.0.1");
    open("dns:llm", "old.test");
    look();
    assertThat(heard.urls()).isEmpty();
    conf = new ResolvConf(List.of(), List.of("new.test"), 5);
    look();
    assertThat(heard.urls()).containsExactly("http://llm:80 at 10.0.0.1");
  }

  /// One packet that is lost must not lead to another server of that name.
  @Test
  void aDomainThatIsSilentIsNotLookedPast() throws Exception {
    server.addresses("llm.near.test", 60, "10.0.0.1");
    server.addresses("llm.far.test", 60, "10.9.9.9");
    server.silent("llm.near.test", true);
    open("dns:llm", "near.test", "far.test");
    look();
    assertThat(heard.times()).as("a name that was never found").isZero();
    assertThat(heard.troubles())
        .containsExactly("llm.near.test.: name server " + server.at() + " does not answer");
    assertThat(server.asked()).containsExactly("udp llm.near.test. A");
    server.silent("llm.near.test", false);
    look();
    assertThat(heard.urls()).containsExactly("http://llm:80 at 10.0.0.1");
  }

  /// It is in no domain of today's, but where it was found last nobody says that it is gone.
  @Test
  void domainsThatAreGoneTakeNoNameAway() throws Exception {
    server.addresses("llm.near.test", 60, "10.0.0.1");
    open("dns:llm", "near.test");
    look();
    conf = ResolvConf.NONE;
    look();
    look();
    assertThat(heard.urls()).containsExactly("http://llm:80 at 10.0.0.1");
    assertThat(heard.troubles()).isEmpty();
    server.says("llm.near.test", DnsResponseCode.SERVFAIL);
    look();
    look();
    assertThat(heard.urls()).containsExactly("http://llm:80 at 10.0.0.1");
    assertThat(heard.troubles()).hasSize(1).first().asString().startsWith("llm.near.test.: ");
    server.says("llm.near.test", DnsResponseCode.NOERROR);
    server.addresses("llm.near.test", 60);
    look();
    server.addresses("llm.near.test", 60, "10.0.0.1");
    look();
    assertThat(heard.urls()).as("gone once").containsExactly("http://llm:80 at 10.0.0.1");
    conf = new ResolvConf(List.of(), List.of("far.test"), 5);
    server.addresses("llm.far.test", 60, "10.9.9.9");
    look();
    assertThat(heard.urls()).as("moved").containsExactly("http://llm:80 at 10.9.9.9");
    conf = ResolvConf.NONE;
    server.addresses("llm.far.test", 60);
    look();
    look();
    assertThat(heard.urls()).as("gone twice").isEmpty();
  }

  @Test
  void domainsThatAreGoneTakeNoIpv6NameAway() throws Exception {
    server.addresses("llm.near.test", 60, "2001:db8::1");
    open("dns:llm", "near.test");
    look();
    conf = ResolvConf.NONE;
    look();
    look();
    assertThat(heard.urls()).containsExactly("http://llm:80 at 2001:db8::1");
  }
}
