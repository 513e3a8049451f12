package dev.heng.cli;

import java.util.ArrayList;
import java.util.List;

/** A table in columns as wide as they must be. */
final class TextTable {

    private final List<String[]> rows = new ArrayList<>();

    TextTable(String... header) {
        rows.add(header);
    }

    void row(String... cells) {
        rows.add(cells);
    }

    @Override
    public String toString() {
        int columns = rows.getFirst().length;
        int[] width = new int[columns];
        for (String[] row : rows) {
            for (int column = 0; column < columns; column++) {
                width[column] = Math.max(width[column], row[column].length());
            }
        }
        StringBuilder text = new StringBuilder();
        for (String[] row : rows) {
            for (int column = 0; column < columns; column++) {
                text.append(row[column]);
                if (column < columns - 1) {
                    text.repeat(' ', width[column] - row[column].length() + 2);
                }
            }
            text.append('\n');
        }
        return text.toString();
    }
}
