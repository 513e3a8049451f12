package dev.heng.conformance.probe;

import dev.heng.conformance.random.RandomStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * The tree in which a device adds K products, revealed through sums alone.
 *
 * <p>Method: all products are one small unit, but position i is a huge M and position j is -M. Units added to a partial sum that
 * holds one of the two vanish; the others survive. The survivors are the positions outside the smallest subtree that contains both
 * i and j, so counting them gives its size. A node with more than two children is an addition of several terms at once: a block.
 * (The method follows the idea of FPRev: "Revealing the order of floating-point summation", 2024, extended there to multi-term
 * additions.)
 */
final class SummationTree {

    /** Pairs that are asked, for each position of a block, before it is believed to be added at once. */
    private static final int PAIRS_PER_POSITION = 3;

    /**
     * A node of the tree.
     *
     * @param leaves positions that are added here directly
     * @param children partial sums that are added here
     * @param size positions in the whole subtree
     */
    record Node(List<Integer> leaves, List<Node> children, int size) {}

    private final Questions questions;
    private final int k;
    private final double huge;
    private final double unit;

    SummationTree(Questions questions, int k, double huge, double unit) {
        this.questions = questions;
        this.k = k;
        this.huge = huge;
        this.unit = unit;
    }

    /** Returns the whole tree. */
    Node reveal() {
        List<Integer> others = new ArrayList<>();
        for (int position = 1; position < k; position++) {
            others.add(position);
        }
        return build(0, others);
    }

    /** Returns the sizes of the subtrees that contain {@code position}, ascending: 1 first, K last. */
    List<Integer> sizesAround(int position) {
        List<Integer> others = new ArrayList<>();
        for (int other = 0; other < k; other++) {
            if (other != position) {
                others.add(other);
            }
        }
        NavigableMap<Integer, List<Integer>> groups = groups(position, others);
        List<Integer> sizes = new ArrayList<>(groups.keySet());
        sizes.addFirst(1);
        return sizes;
    }

    private Node build(int position, List<Integer> others) {
        Node current = new Node(List.of(position), List.of(), 1);
        for (Map.Entry<Integer, List<Integer>> group : groups(position, others).entrySet()) {
            List<Integer> leaves = new ArrayList<>();
            List<Node> children = new ArrayList<>();
            if (current.size() == 1) {
                leaves.add(position);
            } else {
                children.add(current);
            }
            split(group.getValue(), group.getKey(), leaves, children);
            current = new Node(List.copyOf(leaves), List.copyOf(children), group.getKey());
        }
        return current;
    }

    /** Divides the positions that join a node of {@code size} into those added directly and subtrees. */
    private void split(List<Integer> joining, int size, List<Integer> leaves, List<Node> children) {
        if (allMeetAt(joining, size)) {
            leaves.addAll(joining);
            return;
        }
        List<Integer> remaining = new ArrayList<>(joining);
        while (!remaining.isEmpty()) {
            int position = remaining.removeFirst();
            List<Integer> below = new ArrayList<>();
            List<Integer> beside = new ArrayList<>();
            int[] meetings = meetings(position, remaining);
            for (int index = 0; index < meetings.length; index++) {
                (meetings[index] < size ? below : beside).add(remaining.get(index));
            }
            if (below.isEmpty()) {
                leaves.add(position);
            } else {
                children.add(build(position, below));
            }
            remaining = beside;
        }
    }

    /** Returns whether neighbours and random pairs of these positions all meet first at a node of {@code size}. */
    private boolean allMeetAt(List<Integer> positions, int size) {
        int count = positions.size();
        if (count == 1) {
            return true;
        }
        RandomStream stream = RandomStream.of("SummationTree", size, "pairs");
        List<Questions.Question> asked = new ArrayList<>();
        for (int index = 0; index < count; index++) {
            for (int pair = 0; pair < PAIRS_PER_POSITION; pair++) {
                int other = pair == 0 ? (index + 1) % count : stream.nextInt(count);
                if (other != index) {
                    asked.add(masked(positions.get(index), positions.get(other)));
                }
            }
        }
        for (double answer : questions.ask(asked)) {
            if (sizeOf(answer) != size) {
                return false;
            }
        }
        return true;
    }

    private NavigableMap<Integer, List<Integer>> groups(int position, List<Integer> others) {
        NavigableMap<Integer, List<Integer>> groups = new TreeMap<>();
        int[] meetings = meetings(position, others);
        for (int index = 0; index < meetings.length; index++) {
            groups.computeIfAbsent(meetings[index], size -> new ArrayList<>()).add(others.get(index));
        }
        return groups;
    }

    /** Returns, for each of {@code others}, the size of the smallest subtree that contains it and {@code position}. */
    private int[] meetings(int position, List<Integer> others) {
        List<Questions.Question> asked = new ArrayList<>();
        for (int other : others) {
            asked.add(masked(position, other));
        }
        double[] answers = questions.ask(asked);
        int[] sizes = new int[answers.length];
        for (int index = 0; index < answers.length; index++) {
            sizes[index] = sizeOf(answers[index]);
        }
        return sizes;
    }

    private int sizeOf(double answer) {
        double survivors = answer / unit;
        if (survivors != Math.rint(survivors) || survivors < 0 || survivors > k - 2) {
            throw new InconclusiveProbeException("a sum of " + (k - 2) + " units of " + unit + " with " + huge
                    + " added and taken away came out as " + answer + ", which is no count of units");
        }
        return k - (int) survivors;
    }

    private Questions.Question masked(int position, int other) {
        Questions.Question question = questions.question(k);
        for (int index = 0; index < k; index++) {
            questions.put(question, index, unit);
        }
        questions.put(question, position, huge);
        questions.put(question, other, -huge);
        return question;
    }
}
