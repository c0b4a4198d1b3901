package peers;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import redis.clients.jedis.AbstractPipeline;
import redis.clients.jedis.RedisClient;

/**
 * The common job (benchmarks/peers/job.py) in Kafka Streams: a processor with a key-value store and a wall-clock punctuation, as in
 * the word count of its developer guide.
 *
 * <p>Recovery store: the store's changelog topic. Tuned by its own documentation: an in-memory store (what is durable is the
 * changelog), with a record cache large enough for all authors, so that of each author the last state of a commit interval goes
 * into the changelog; one stream thread, since each worker process of every system has one; Redis in one pipeline per punctuation.
 */
public final class Job {
    static final String AUTHORS = "authors";
    static final List<String> KINDS = List.of("tweet", "like", "share", "reply");
    static final double[] WEIGHTS = {0.0, 0.26, 0.63, 0.63};
    static final double SLOW_HALF_LIFE_S = 30 * 86400.0, FAST_HALF_LIFE_S = 2 * 3600.0;

    private Job() {}

    /** A valid event; {@code kind} is its place in {@code KINDS}. */
    record Event(int kind, String author, double at) {
        private static final ObjectReader JSON =
                new ObjectMapper().reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

        /** Return the event in a record's value; null when it isn't one. */
        static Event of(byte[] value) {
            if (value == null) {
                return null;
            }
            JsonNode node;
            try {
                node = JSON.readTree(value);
            } catch (IOException e) {
                return null;
            }
            int kind = KINDS.indexOf(node.path("kind").asText());
            String actor = node.path("actor").textValue(), author = node.path("author").textValue();
            boolean isNamed = actor != null && !actor.isEmpty() && author != null && !author.isEmpty();
            JsonNode at = node.path("at");
            return kind >= 0 && isNamed && at.isNumber() ? new Event(kind, author, at.doubleValue()) : null;
        }
    }

    /** An author's counts, and two decayed counters exact at {@code at}, epoch seconds. */
    record State(long posts, long likes, long shares, long replies, double slow, double fast, double at) {
        static final int BYTES = 7 * 8;

        static Serde<State> serde() {
            return Serdes.serdeFrom((topic, state) -> state == null ? null : state.encoded(), (topic, bytes) -> decoded(bytes));
        }

        private byte[] encoded() {
            ByteBuffer buffer = ByteBuffer.allocate(BYTES).putLong(posts).putLong(likes).putLong(shares).putLong(replies);
            return buffer.putDouble(slow).putDouble(fast).putDouble(at).array();
        }

        private static State decoded(byte[] bytes) {
            if (bytes == null) {
                return null;
            }
            ByteBuffer b = ByteBuffer.wrap(bytes);
            return new State(b.getLong(), b.getLong(), b.getLong(), b.getLong(), b.getDouble(), b.getDouble(), b.getDouble());
        }

        /** Return the state with an event added, in whichever order events come. */
        static State folded(State before, Event event) {
            State s = before == null ? new State(0, 0, 0, 0, 0, 0, event.at) : before;
            double newest = Math.max(s.at, event.at), weight = WEIGHTS[event.kind];
            return new State(
                    s.posts + (event.kind == 0 ? 1 : 0),
                    s.likes + (event.kind == 1 ? 1 : 0),
                    s.shares + (event.kind == 2 ? 1 : 0),
                    s.replies + (event.kind == 3 ? 1 : 0),
                    s.slow * fade(newest - s.at, SLOW_HALF_LIFE_S) + weight * fade(newest - event.at, SLOW_HALF_LIFE_S),
                    s.fast * fade(newest - s.at, FAST_HALF_LIFE_S) + weight * fade(newest - event.at, FAST_HALF_LIFE_S),
                    newest);
        }

        private static double fade(double elapsedS, double halfLifeS) {
            return elapsedS == 0 ? 1 : Math.pow(2, -elapsedS / halfLifeS);
        }

        void write(AbstractPipeline pipeline, String author) {
            Map<String, String> fields = new HashMap<>(16);
            fields.put("score", Double.toString(1 + 5 * log2(1 + slow)));
            fields.put("slow", Double.toString(slow));
            fields.put("fast", Double.toString(fast));
            fields.put("at", Double.toString(at));
            fields.put("posts", Long.toString(posts));
            fields.put("likes", Long.toString(likes));
            fields.put("shares", Long.toString(shares));
            fields.put("replies", Long.toString(replies));
            pipeline.hset("peer:score:" + author, fields);
            if (slow > 0) {
                pipeline.zadd("peer:board", 5 * log2(slow) + 5 * at / SLOW_HALF_LIFE_S, author);
            }
        }

        private static double log2(double x) {
            return Math.log(x) / Math.log(2);
        }
    }

    /** Scores the authors of one partition. */
    static final class Scorer implements Processor<String, byte[], Void, Void> {
        private final RedisClient redis;
        private final Duration tick;
        private final Map<String, State> changed = new HashMap<>();
        private KeyValueStore<String, State> authors;

        Scorer(RedisClient redis, Duration tick) {
            this.redis = redis;
            this.tick = tick;
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            authors = context.getStateStore(AUTHORS);
            context.schedule(tick, PunctuationType.WALL_CLOCK_TIME, now -> publish());
        }

        @Override
        public void process(Record<String, byte[]> record) {
            Event event = Event.of(record.value());
            if (event != null) {
                State state = State.folded(authors.get(event.author), event);
                authors.put(event.author, state);
                changed.put(event.author, state);
            }
        }

        private void publish() {
            if (changed.isEmpty()) {
                return;
            }
            try (AbstractPipeline pipeline = redis.pipelined()) {
                changed.forEach((author, state) -> state.write(pipeline, author));
                pipeline.sync();
            }
            changed.clear();
        }
    }

    /** Return the topology. */
    static Topology topology(String topic, RedisClient redis, Duration tick) {
        var store = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(AUTHORS), Serdes.String(), State.serde());
        return new Topology()
                .addSource("events", new StringDeserializer(), new ByteArrayDeserializer(), topic)
                .addProcessor("score", () -> new Scorer(redis, tick), "events")
                .addStateStore(store.withCachingEnabled(), "score");
    }

    public static void main(String[] args) {
        Map<String, String> at = System.getenv();
        Duration tick = Duration.ofMillis(Math.round(Double.parseDouble(at.get("PEER_TICK_S")) * 1000));
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, at.get("PEER_GROUP"));
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, at.get("PEER_KAFKA"));
        config.put(StreamsConfig.STATE_DIR_CONFIG, at.get("PEER_FOLDER") + "/" + at.get("PEER_WORKER"));
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, tick.toMillis());
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 128L << 20);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        RedisClient redis = RedisClient.create(at.get("PEER_REDIS"));
        KafkaStreams streams = new KafkaStreams(topology(at.get("PEER_TOPIC"), redis, tick), config);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(70);
            return null;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
        streams.start();
    }
}
