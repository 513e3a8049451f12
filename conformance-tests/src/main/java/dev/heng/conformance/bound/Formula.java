package dev.heng.conformance.bound;

/**
 * The formulas that verdicts rest on. Ids are printed with every result; docs/numerics.md derives each under its id.
 *
 * <p>Symbols: c the exact value, S2 the sum of squared products, S1 of their magnitudes, S0 of their signs, K the length of the
 * sum, n blocks of L products in each of Q promoted segments, u = 2^-bits a unit roundoff, u_out that of the output format.
 */
public enum Formula {
    /** Bit for bit. */
    F1("got = round_out(c), bit for bit"),
    /** The order-free standard deviation of a float32 sum rounded to nearest. */
    F2("sigma = u*sqrt(K*(S2/6 + c^2/3) + 2*S2)"),
    /** Standard deviation of a sum in a matrix unit. */
    F3("sigma^2 = ua^2*(R + S2) + t*ub^2*(L+1)*(R + S2) + B + 2^-48*P;"
            + " R = (n+1)(2n+1)/(6n)*(c^2/Q + S2*(1-1/Q)) + (n^2-1)/(6n)*S2; t = 2 if terms are truncated, else 1"),
    /** Drift of a truncated running sum. */
    F4("da = g*ua*|c|*(n+1)/2 toward zero; g = 1 if truncated, else min(1, 2*ua*rms(s)/(sqrt(L)*S1/K))"),
    /** Drift of truncated block terms. */
    F5(
            "db = g*ub*|S0|*m against the sign of S0; m = sqrt((R + S2)/(n*Q)); g = 1 if truncated, else min(1, 2*ub*m/(S1/K))"),
    /** The interval of one element of a product. */
    F6("-(d- + T) <= (got - c)*sign(c) <= d+ + T; T = 1.01*u_out*|c| + 8*sigma; d-, d+ from F4 and F5"),
    /** The signed-bias test of a product. */
    F7(
            "z = sum((e_i - mean)/s_i)/sqrt(n*(1+r)); s_i^2 = (u_out*c)^2/3 + sigma^2; -6 <= z for mean = -d-, z <= 6 for mean = d+"),
    /** The worst case over all orders and data. */
    F8("|got - c| <= 1.01*u_out*|c| + 2*((n + Q)*ua + n*(L+1)*ub + Q*2^-24)*S1, and its square"),
    /** Scalar functions. */
    F9("|got - f(x)| <= ulp_out(f)/2 + E*2^-24*|f(x)|, E derived per function"),
    /** One element of a chain against an ensemble of random roundings. */
    F10("|got - y| <= 1.01*u_out*|y| + t_R(alpha/2N)*sqrt(sum_r (y_r - y)^2/R)"),
    /** A statistic of a whole tensor against its ensemble. */
    F11("T(got) <= mean_r T(y_r) + t_{R-1}(alpha)*sd_r T(y_r)*sqrt(1 + 1/R)"),
    /** A choice of experts. */
    F12(
            "a choice is legal iff scores within c_i +- d_i exist under which the rule chooses it; equal inputs have equal scores"),
    /** The weights of chosen experts. */
    F13(
            "|w - w_ref| <= w_ref*E*2^-24 + floor; w_ref from the device's own legal choice, each weight held against its own id");

    private final String text;

    Formula(String text) {
        this.text = text;
    }

    /** Returns the formula as text, for reports. */
    public String text() {
        return text;
    }
}
