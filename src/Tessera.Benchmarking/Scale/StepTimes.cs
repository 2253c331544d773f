namespace Tessera.Benchmarking.Scale;

/// <summary>What a rank's step of so many pictures took here. Seconds.</summary>
/// <param name="Pictures">Pictures that were computed at once.</param>
/// <param name="Forward">Views, forward passes, coupling, and what else comes before the last part's backward pass or between.</param>
/// <param name="Backward">Backward passes, of all parts.</param>
/// <param name="Optimizer">Clipping and AdamW: the same for any number of pictures.</param>
/// <param name="Parts">Parts that a worker computes one after the other (see <c>docs/performance.md</c>): gradients are final in the last one's backward pass.</param>
public sealed record StepTime(int Pictures, double Forward, double Backward, double Optimizer, int Parts);

/// <summary>A rank's step for any number of pictures, from the sizes that were measured.</summary>
/// <remarks>
/// Between two sizes along the line through them; above the largest at the largest's time a picture (a larger share is computed in several such batches);
/// below the smallest as the smallest: fewer pictures than that make no product cheaper.
/// </remarks>
public sealed class StepTimes
{
    private readonly StepTime[] measured;
    private readonly double optimizer;

    /// <param name="measured">At least one size, in any order.</param>
    /// <exception cref="ArgumentException">There is none.</exception>
    public StepTimes(IEnumerable<StepTime> measured)
    {
        this.measured = [.. measured.OrderBy(m => m.Pictures)];
        if (this.measured.Length == 0) throw new ArgumentException("A step must have been measured at one size at least.", nameof(measured));
        optimizer = this.measured.Min(m => m.Optimizer); // one thing, measured several times
    }

    /// <summary>The work of a rank that has so many pictures.</summary>
    /// <param name="pictures">At least 1.</param>
    public StepWork Of(int pictures)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pictures, 1);
        var (forward, backward, parts) = (At(pictures, m => m.Forward), At(pictures, m => m.Backward), Parts(pictures));
        var window = backward / parts;
        return new StepWork(forward + backward - window, window, optimizer);
    }

    private double At(int pictures, Func<StepTime, double> value)
    {
        var above = Array.FindIndex(measured, m => m.Pictures >= pictures);
        if (above < 0) return value(measured[^1]) / measured[^1].Pictures * pictures;
        if (above == 0) return value(measured[0]);
        var (a, b) = (measured[above - 1], measured[above]);
        return value(a) + (value(b) - value(a)) * (pictures - a.Pictures) / (b.Pictures - a.Pictures);
    }

    private int Parts(int pictures)
    {
        var (largest, fits) = (measured[^1], measured.FirstOrDefault(m => m.Pictures >= pictures));
        return fits?.Parts ?? (int)Math.Ceiling((double)pictures / largest.Pictures) * largest.Parts;
    }
}
