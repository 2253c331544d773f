using Tessera.Data;
using Tessera.Models;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>What a training learns: a model, what it wants of each picture, and a batch's loss. The loop knows no more of it than this.</summary>
/// <remarks>
/// A batch is computed in parts (on a CPU) or whole (on a GPU). What each picture costs by itself is a part's <see cref="ObjectivePart.Loss"/>.
/// A loss in which pictures meet (contrast, a batch norm, a regulariser of their distribution) is <see cref="Couple"/>: the parts' embeddings are
/// put together, so that it is exact however a batch is cut, and each part goes on backward with its own rows of the gradient (gradient caching,
/// Gao et al. 2021, arXiv:2101.06983).
/// </remarks>
public abstract class Objective : IDisposable
{
    /// <summary>All that is learned, by checkpoint names.</summary>
    public abstract nn.Module Model { get; }

    /// <summary>What the loader draws.</summary>
    public abstract BatchPlan Plan { get; }

    /// <summary>What a picture costs, for cutting batches.</summary>
    public abstract ObjectiveCost Cost { get; }

    /// <summary>Whether pictures depend on each other: parts have embeddings, and <see cref="Couple"/> makes a loss of them.</summary>
    public virtual bool Couples => false;

    /// <summary>The part of the model that <see cref="Couple"/> computes with, which stays in fp32; null: none.</summary>
    public virtual nn.Module? Projector => null;

    /// <summary>
    /// Places through which all gradient passes on its way to what comes before them, those nearest the loss first: what comes after such a place is added
    /// up over ranks while the backward pass goes on. Empty: it is added up when all is there.
    /// </summary>
    public virtual IReadOnlyList<BackwardCut> Cuts => [];

    /// <summary>Computes a part of a batch. Called from several threads at once, each for a part of its own; draws nothing.</summary>
    /// <returns>Tensors that belong to the dispose scope at hand.</returns>
    public abstract ObjectivePart Forward(PreparedBatch part);

    /// <summary>The loss of pictures that depend on each other, beside their own.</summary>
    /// <param name="embeddings">(B, K), fp32: of the whole effective batch, in its order</param>
    /// <returns>A scalar.</returns>
    public virtual Tensor Couple(Tensor embeddings) => throw new NotSupportedException($"{GetType().Name} couples no pictures.");

    /// <summary>Called when an optimiser step was made, with the number of steps so far: a teacher follows.</summary>
    public virtual void AfterStep(long steps) { }

    /// <summary>What it watches beside the loss, of the last step. Asked for at log steps, where the device is waited for.</summary>
    public virtual IReadOnlyList<Watched> Watched() => [];

    /// <summary>What a checkpoint needs beyond the model, by name; the tensors are restored in place.</summary>
    public virtual IEnumerable<(string Name, Tensor Value)> State => [];

    /// <summary>How a parameter is trained.</summary>
    public virtual ParameterRule RuleOf(string name, Tensor parameter) => ParameterRule.Of(name, parameter);

    /// <summary>What a file says of the model.</summary>
    public abstract ModelDescription Describe();

    /// <summary>Frees the model.</summary>
    public virtual void Dispose()
    {
        Model.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>What a part of a batch came to.</summary>
/// <param name="Loss">A scalar: the mean of the part's pictures' own losses; null where they have none.</param>
/// <param name="Embeddings">(b, K): what <see cref="Objective.Couple"/> needs of them, a row a picture; null where nothing is coupled.</param>
public sealed record ObjectivePart(Tensor? Loss, Tensor? Embeddings = null);

/// <summary>A place in a model at which a backward pass may halt.</summary>
/// <param name="After">The module whose output it is, whenever it is called.</param>
/// <param name="IsBefore">Whether a parameter of the model, by name, is used before it alone; all others are used after it alone.</param>
public sealed record BackwardCut(nn.Module<Tensor, Tensor> After, Func<string, bool> IsBefore);

/// <summary>What one picture of a batch costs.</summary>
/// <param name="BytesKept">About how much its forward pass leaves for the backward one, in fp32.</param>
/// <param name="Tokens">Tokens in its longest sequence.</param>
public sealed record ObjectiveCost(long BytesKept, int Tokens);

/// <summary>A figure that an objective watches.</summary>
/// <param name="Metric">The figure.</param>
/// <param name="Least">A run in which it falls below this is stopped; null: it may be anything.</param>
/// <param name="Advice">What that means, and what to try.</param>
/// <param name="Options">The paths of the options that the advice names; null: none.</param>
public sealed record Watched(Metric Metric, double? Least = null, string Advice = "", IReadOnlyList<string>? Options = null);
